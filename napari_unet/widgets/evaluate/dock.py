"""The evaluate dock: a mask against the ground truth, slice by slice, while it is edited."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Labels, Layer
from qtpy.QtWidgets import QApplication, QFormLayout, QLabel, QVBoxLayout

from napari_unet.evaluation.comparison import counted_note
from napari_unet.evaluation.export import Writer, export_writers
from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.layer_search import image_under, probability_of
from napari_unet.layers.plugin_layers import (
    is_judged,
    is_predicted_class_layer,
    is_predicted_mask,
    is_sparse_layer,
    is_truth,
)
from napari_unet.layers.slices import displayed_slice, full_resolution, show_slice, stack_shape
from napari_unet.stacks.napari_writer import OnSlice
from napari_unet.text import as_html
from napari_unet.widgets.common.connections import Connections, when_deleted
from napari_unet.widgets.common.dock import Dock, open_dock
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.common.messages import inform, plain_label
from napari_unet.widgets.evaluate.border_choice import BorderChoice
from napari_unet.widgets.evaluate.buttons import EvaluateButtons
from napari_unet.widgets.evaluate.canvas import DiceOverlay, ErrorLayer, SideBySide
from napari_unet.widgets.evaluate.export_dialog import ExportDialog
from napari_unet.widgets.evaluate.live_comparison import LiveComparison
from napari_unet.widgets.evaluate.plot import DicePlot
from napari_unet.widgets.evaluate.table import FiguresTable, summary_table
from napari_unet.widgets.files.long_task import LongTask
from napari_unet.widgets.files.save_dialog import file_stem, folder_of
from napari_unet.widgets.files.unpredicted_question import UnpredictedQuestion
from training.class_thresholds import thresholds_text
from training.console import list_names
from training.label_classes import LabelClasses


class EvaluateDock(Dock):
    """Coordinates the views below with the viewer.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose masks are compared; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._live = LiveComparison(self._viewer, self)
        self._shown: int | None = None
        self._compared: tuple[Any, Any] = (None, None)
        self._truth = LayerChoice(self._viewer, is_truth, prefers=self._rank_truth)
        self._mask = LayerChoice(self._viewer, is_judged, prefers=self._rank_mask)
        self._summary = QLabel()
        self._note = plain_label()
        self._plot = DicePlot(self._viewer.theme)
        self._table = FiguresTable()
        self._buttons = EvaluateButtons()
        self._border = BorderChoice()
        self._overlay = DiceOverlay(self._viewer)
        self._errors = ErrorLayer(self._viewer)
        self._unpredicted = UnpredictedQuestion(self, "Open Predict", self._open_predict)
        self._side_by_side = SideBySide(self._viewer)
        self._lay_out()
        self._connect()
        self._on_layers_changed()

    def choose_mask(self, mask: Labels) -> None:
        """Judge this mask, or these classes."""
        self._mask.choose(mask)

    def _lay_out(self) -> None:
        self._mask.setToolTip("The mask or the classes to judge: a prediction, corrected or not.")
        self._truth.setToolTip("The ground truth: finished labels, strokes, or classes.")
        self._summary.setWordWrap(True)
        self._summary.setToolTip(
            "Means over the slices that were held out (●), that the model was trained on (○), and "
            "over all, with the standard deviation."
        )
        self._note.setWordWrap(True)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Mask", self._mask)
        form.addRow("Truth", self._truth)
        layout = QVBoxLayout(self.content)
        layout.addLayout(form)
        layout.addWidget(self._border)
        layout.addWidget(self._summary)
        layout.addWidget(self._note)
        layout.addWidget(self._plot.legend)
        layout.addWidget(self._plot)
        layout.addWidget(self._table, stretch=1)
        layout.addWidget(self._buttons)
        layout.addWidget(self.message)

    def _connect(self) -> None:
        self._mask.layer_changed.connect(self._on_layers_changed)
        self._truth.layer_changed.connect(self._on_layers_changed)
        self._table.slice_requested.connect(self._show_slice)
        self._plot.slice_requested.connect(self._show_slice)
        self._live.restarted.connect(self._on_restarted)
        self._live.figures_changed.connect(self._on_figures_changed)
        self._live.failed.connect(self.report)
        self._border.width_changed.connect(self._live.set_border)
        self._unpredicted.failed.connect(self.report)
        buttons = self._buttons
        buttons.worst_requested.connect(self._on_worst_requested)
        buttons.next_worst_requested.connect(self._on_next_worst_requested)
        buttons.errors_toggled.connect(self._on_errors_toggled)
        buttons.side_by_side_toggled.connect(self._on_side_by_side_toggled)
        buttons.export_requested.connect(self.export)
        buttons.copy_requested.connect(self._on_copy_requested)
        viewer_events = Connections(self)
        viewer_events.add(self._viewer.dims.events.current_step, self._on_slider_moved)
        viewer_events.add(self._viewer.events.theme, self._on_theme_changed)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            viewer_events.add(event, self._on_layer_came_or_went)
        for key, callback in (
            ("w", self._on_worst_requested),
            ("Shift-W", self._on_next_worst_requested),
        ):
            viewer_events.bind_key(self._viewer, key, callback)
        when_deleted(self, partial(self._overlay.show, ""))

    def _rank_mask(self, layer: Layer) -> int:
        """A prediction first, of classes where the truth has them; then any layer but the truth.

        What may be ids, of many bits, is last, and so are classes that nobody is known to have
        predicted.
        """
        truth = self._compared[1]
        has_classes = truth is not None and bool(layer_classes(truth))
        if is_predicted_class_layer(layer):
            return 4 if has_classes else 2
        if is_predicted_mask(layer):
            return 3
        if layer_classes(layer):
            return int(has_classes and layer != truth)
        has_few_values = full_resolution(layer).dtype.itemsize == 1
        return int(layer != truth) + int(has_few_values)

    def _rank_truth(self, layer: Layer) -> int:
        """Finished labels first, then strokes, then another prediction; all of the mask's shape.

        Of finished labels those of the mask's classes are first.
        """
        mask = self._compared[0]
        if layer == mask:
            return 0
        if mask is not None and stack_shape(layer) != stack_shape(mask):
            return 1
        if is_sparse_layer(layer):
            return 3
        classes = layer_classes(layer)
        if classes and classes.membrane is None and mask is not None and not layer_classes(mask):
            return 1
        is_predicted = is_predicted_mask(layer) or is_predicted_class_layer(layer)
        return 2 if is_predicted else 4 + (bool(classes) and _has_classes_of(mask, classes))

    def _on_layers_changed(self) -> None:
        """Compare the chosen layers, once neither choice gives way to the other."""
        compared = self._compared = self._mask.layer, self._truth.layer
        self._mask.refresh()
        self._truth.refresh()
        if self._compared == compared == (self._mask.layer, self._truth.layer):
            self._live.watch(*compared)

    def _on_layer_came_or_went(self, _: object) -> None:
        if self._live.comparison is None:  # why not may be another reason now
            self._live.watch(self._mask.layer, self._truth.layer)

    def _on_restarted(self) -> None:
        comparison = self._live.comparison
        self._table.set_comparison(comparison)
        self._plot.show_comparison(comparison)
        self._buttons.enable(comparison is not None)
        problem = f"<p>{as_html(self._live.problem)}</p>"
        self._summary.setText(problem if comparison is None else "Comparing…")
        if not self._live.is_reading:
            self._border.show_reading(None if comparison is None else comparison.reading)
        self._note.hide()
        self._on_errors_toggled(self._buttons.has_errors)
        self._show_current()

    def _on_figures_changed(self, first: int, last: int) -> None:
        comparison = self._live.comparison
        self.message.tell("")
        if comparison is None:
            return
        done, total = comparison.computed_slices, len(comparison)
        if done < total:
            self._summary.setText(f"Compared {done} of {total} slices…")
        else:
            self._summary.setText(summary_table(comparison) if comparison.mean() else "")
        notes = thresholds_text(comparison.thresholds), counted_note(comparison)
        self._note.setText(" ".join(filter(None, notes)))
        self._note.setVisible(any(notes))
        self._table.update_figures(first, last)
        self._plot.show_comparison(comparison)
        self._errors.refresh()
        self._show_current()

    def _show_current(self) -> None:
        """Mark the displayed slice in table and plot, and show its figure on the canvas."""
        comparison, mask = self._live.comparison, self._mask.layer
        index = None
        if comparison is not None and mask is not None:
            index = displayed_slice(self._viewer, mask)
        self._shown = index
        figures = comparison[index] if comparison is not None and index is not None else None
        if comparison is None or index is None or figures is None:
            self._overlay.show("")
            return
        self._table.select(index)
        self._plot.mark(index)
        missing = "not predicted" if index in comparison.unpredicted_slices else "no labels"
        figure = f"Dice {figures['dice']:.3f}" if figures else missing
        self._overlay.show(f"slice {index}   {figure}")

    def _on_slider_moved(self) -> None:
        self._show_current()

    def _show_slice(self, index: int) -> None:
        if self._mask.layer is not None:
            show_slice(self._viewer, self._mask.layer, index)

    def _on_worst_requested(self, _: object = None) -> None:
        comparison = self._live.comparison
        if comparison is not None and comparison.worst_first():
            self._show_slice(comparison.worst_first()[0])

    def _on_next_worst_requested(self, _: object = None) -> None:
        if self._live.comparison is not None and self._shown is not None:
            self._show_slice(self._live.comparison.next_worst(self._shown))

    def _on_errors_toggled(self, is_wanted: bool) -> None:
        mask: Any = self._mask.layer
        wrong = self._live.keep_wrong_pixels() if is_wanted else None
        if wrong is None:
            self._errors.remove()
        else:
            self._errors.show(mask, wrong)

    def _on_side_by_side_toggled(self, is_wanted: bool) -> None:
        if is_wanted:
            self._side_by_side.show(self._mask.layer, self._truth.layer, self._errors.layer)
        else:
            self._side_by_side.end()

    def _on_theme_changed(self, event: Any) -> None:
        self._plot.set_theme(event.value)
        self._plot.show_comparison(self._live.comparison)

    def _on_copy_requested(self) -> None:
        if self._live.comparison is not None:
            clipboard: Any = QApplication.clipboard()
            clipboard.setText(self._live.comparison.to_csv(delimiter="\t"))
            inform("Copied the figures; paste them into a spreadsheet.")

    def export(self) -> None:
        """Ask what to export and where to; first whether slices that were not predicted may go."""
        mask: Any = self._mask.layer
        if self._live.comparison is None or mask is None:
            return
        self._unpredicted.ask(mask, self._export_whole)

    def _open_predict(self, _: object) -> None:
        open_dock(self._viewer, "Predict")

    def _export_whole(self) -> None:
        comparison, mask, truth = self._live.comparison, self._mask.layer, self._truth.layer
        if comparison is None or not isinstance(mask, Labels) or not isinstance(truth, Labels):
            return
        image = image_under(self._viewer, mask)
        probability = probability_of(self._viewer, mask) if is_predicted_mask(mask) else None
        writers = export_writers(comparison, mask, truth, probability, image)
        folder = folder_of(self._viewer, mask)
        dialog = ExportDialog(folder, file_stem((image or mask).name), set(writers), self)
        if dialog.exec_():
            files = [(writers[part], path) for part, path in dialog.targets.items()]
            self.message.tell("")
            task = LongTask(f"Saving {dialog.name}", partial(_write_all, files), self)
            task.done.connect(inform)
            task.failed.connect(self.report)
            task.start()
        dialog.deleteLater()


def _has_classes_of(mask: Layer | None, classes: LabelClasses) -> bool:
    return mask is not None and {*layer_classes(mask).names} == {*classes.names}


def _write_all(files: Sequence[tuple[Writer, Path]], on_slice: OnSlice) -> str:
    for write, path in files:
        write(path, on_slice)
    names = list_names([path.name for _, path in files])
    return f"Saved {names} in {files[0][1].parent}."
