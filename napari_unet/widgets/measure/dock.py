"""The measure dock: how large the objects of a layer are, where they are, and what they touch."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.physical_place import pixel_size_of
from napari_unet.layers.plugin_layers import NEURONS, add_neurons, is_tissue, role, why_not_stack
from napari_unet.layers.slices import full_resolution, stack_shape
from napari_unet.measurement.report import Report, report
from napari_unet.measurement.shapes import check_shapes, write_shapes
from napari_unet.measurement.tables import Table
from napari_unet.stacks.napari_writer import OnSlice
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.common.messages import inform, plain_label
from napari_unet.widgets.files.long_task import LongTask
from napari_unet.widgets.files.save_dialog import ask_where_to_save, may_replace, suggested_file
from napari_unet.widgets.measure.object_link import ObjectLink
from napari_unet.widgets.measure.plot_view import PlotView
from napari_unet.widgets.measure.shapes_button import ShapesButton
from napari_unet.widgets.measure.table import MeasuresTable
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.stacks.stack_axes import as_stack

_WAYS = {"numbered objects": None, "connected parts": True, "each value": False}
_CSV = "Table (*.csv)"


class MeasureDock(Dock):
    """Coordinates the table and the plot with the viewer.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose labels are measured; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._report: Report | None = None
        self._task: LongTask | None = None
        self._labels = LayerChoice(self._viewer, _is_stack_of_labels, prefers=_rank)
        self._image = LayerChoice(self._viewer, is_tissue)
        self._has_image = QCheckBox("Intensities")
        self._ways, self._rows = QComboBox(), QComboBox()
        self._measure = QPushButton("Measure")
        self._summary, self._notes = plain_label(), plain_label()
        self._table, self._plot = MeasuresTable(), PlotView(self._viewer.theme)
        self._export_all = QPushButton("Export all…")
        self._export_chosen = QPushButton("Export chosen…")
        self._shapes = ShapesButton()
        self._results = QWidget()
        self._link = ObjectLink(self._viewer, self)
        self._lay_out()
        self._connect()
        self._on_layer_changed()

    def _lay_out(self) -> None:
        self._labels.setToolTip("The labels whose objects are measured.")
        self._image.setToolTip("The image whose intensities are measured in each object.")
        self._ways.addItems(list(_WAYS))
        self._ways.setToolTip(
            "What is one object: numbered objects have a value each; of a mask or of classes, each "
            "connected part; or each value, although it may be a class."
        )
        self._ways.setAccessibleName("Objects")
        self._rows.setAccessibleName("Rows")
        self._rows.addItems(["objects", "objects in each slice"])
        self._rows.setToolTip("Whether a row is an object, or what a slice shows of one.")
        self._measure.setToolTip("Measure all slices, in the background.")
        for label in (self._summary, self._notes):
            label.setWordWrap(True)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Labels", self._labels)
        form.addRow("Objects", self._ways)
        form.addRow(self._has_image, self._image)
        layout = QVBoxLayout(self.content)
        layout.addLayout(form)
        layout.addWidget(self._measure)
        layout.addWidget(self.message)
        layout.addWidget(self._results, stretch=1)
        layout.addStretch()
        self._lay_out_results()

    def _lay_out_results(self) -> None:
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Rows", self._rows)
        buttons = QGridLayout()
        buttons.addWidget(self._export_all, 0, 0)
        buttons.addWidget(self._export_chosen, 0, 1)
        buttons.addWidget(self._shapes, 1, 0, 1, 2)
        self._export_all.setToolTip("Save the table as CSV.")
        self._export_chosen.setToolTip("Save the chosen rows as CSV.")
        layout = QVBoxLayout(self._results)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._notes)
        layout.addWidget(self._summary)
        layout.addLayout(rows)
        layout.addWidget(self._table, stretch=1)
        layout.addWidget(self._plot)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self._labels.layer_changed.connect(self._on_layer_changed)
        self._measure.clicked.connect(lambda: self.measure())
        self._rows.currentIndexChanged.connect(self._show_table)
        self._table.rows_chosen.connect(self._on_rows_chosen)
        self._plot.rows_requested.connect(self._on_rows_requested)
        self._link.clicked.connect(self._on_object_clicked)
        self._link.edited.connect(self._on_edited)
        self._export_all.clicked.connect(lambda: self._export(None))
        self._export_chosen.clicked.connect(lambda: self._export(self._table.chosen))
        self._shapes.requested.connect(self._export_shapes)
        Connections(self).add(self._viewer.events.theme, self._on_theme_changed)

    def measure(self) -> None:
        """Measure the chosen labels in the background."""
        labels = self._labels.layer
        if not isinstance(labels, Labels) or self._task is not None:
            return
        self.message.tell("")
        image = self._image.layer if self._has_image.isChecked() else None
        try:
            work = _work(labels, image, _WAYS[self._ways.currentText()])
        except UserError as error:
            self.report(error)
            return
        self._task = LongTask(f"Measuring {labels.name}", work, self)
        self._task.done.connect(partial(self._on_measured, labels))
        self._task.failed.connect(self.report)
        self._task.ended.connect(self._on_ended)
        self._measure.setEnabled(False)
        self._measure.setText("Measuring…")
        self._task.start()

    def _on_layer_changed(self) -> None:
        self._measure.setEnabled(self._labels.layer is not None and self._task is None)
        self.message.tell("" if self._labels.layer is not None else "Open or make labels first.")
        self._forget()

    def _forget(self) -> None:
        self._report = None
        self._link.watch(None)
        self._results.hide()

    def _on_ended(self) -> None:
        self._task = None
        self._measure.setText("Measure")
        self._measure.setEnabled(self._labels.layer is not None)

    def _on_measured(self, labels: Labels, found: Report) -> None:
        if labels not in self._viewer.layers or labels != self._labels.layer:
            return
        shown = labels
        if found.parts is not None:  # which have numbers of their own, to be seen and clicked
            parts = found.parts.reshape(full_resolution(labels).shape)
            shown = add_neurons(self._viewer, parts, labels, f"{labels.name} parts")
            self._labels.choose(labels)
        self._report = found
        self._link.watch(shown)
        self._summary.setText(found.headline)
        self._summary.setToolTip("\n".join(found.sentences))
        self._notes.setText("\n".join(found.notes))
        self._notes.setVisible(bool(found.notes))
        self._rows.setEnabled(not found.is_flat)
        self._results.show()
        self._show_table()

    def _shown(self) -> Table | None:
        if self._report is None:
            return None
        return self._report.slices if self._rows.currentIndex() else self._report.objects

    def _show_table(self, _: int = 0) -> None:
        table = self._shown()
        if table is not None:
            self._table.show_table(table)
            self._plot.show_table(table)
            self._offer_export()

    def _offer_export(self) -> None:
        chosen = len(self._table.chosen)
        self._export_chosen.setText(f"Export {chosen} chosen…" if chosen else "Export chosen…")
        self._export_chosen.setEnabled(chosen > 0)
        self._shapes.setEnabled(
            chosen > 0 and self._report is not None and not self._report.is_flat
        )

    def _on_rows_chosen(self, rows: NDArray[np.intp]) -> None:
        """Show what a person chose in the plot and, where it is one object, on the canvas."""
        self._plot.mark(rows)
        self._offer_export()
        if len(rows) == 1:
            self._show_object(int(rows[0]))

    def _on_rows_requested(self, rows: NDArray[np.intp]) -> None:
        self._table.choose(rows)
        self._on_rows_chosen(rows)

    def _show_object(self, row: int) -> None:
        table: Any = self._shown()
        columns = table.columns
        depth = columns.get("slice", columns.get("centroid_z_px", np.zeros(len(table))))[row]
        place = (depth, columns["centroid_y_px"][row], columns["centroid_x_px"][row])
        self._link.show(int(columns["object"][row]), tuple(map(float, place)))

    def _on_object_clicked(self, number: int, index: int) -> None:
        """Choose the row of an object: that in the slice shown, where slices have rows."""
        table = self._shown()
        if table is None:
            return
        is_row = table.columns["object"] == number
        if "slice" in table.columns:
            is_row &= table.columns["slice"] == index
        rows = np.flatnonzero(is_row)
        if len(rows):
            self._table.choose(rows)
            self._plot.mark(rows)
            self._offer_export()

    def _on_edited(self) -> None:
        self.message.tell("The labels have changed since; measure them again.")

    def _on_theme_changed(self, event: Any) -> None:
        self._plot.plot.set_theme(event.value)

    def _export(self, rows: NDArray[np.intp] | None) -> None:
        """Ask where to save the table, or some of its rows, and save it in the background."""
        table, labels = self._shown(), self._labels.layer
        if table is None or labels is None:
            return
        chosen = ask_where_to_save(
            self, "Export measures", suggested_file(self._viewer, labels, ".csv"), [_CSV]
        )
        if chosen is None:
            return
        path, _ = chosen
        part = table if rows is None else table.take(rows)
        self.message.tell("")
        task = LongTask(f"Saving {path.name}", partial(_write, part, path), self)
        task.done.connect(inform)
        task.failed.connect(self.report)
        task.start()

    def _export_shapes(self, form: str) -> None:
        """Ask for a folder, and save the shapes of the chosen objects in the background."""
        table, found = self._shown(), self._report
        if table is None or found is None:
            return
        try:
            check_shapes(form)
        except UserError as error:
            self.report(error)
            return
        place = QFileDialog.getExistingDirectory(self, "Folder for the files")
        ids = [*dict.fromkeys(table.columns["object"][self._table.chosen].tolist())]
        files = [Path(place) / f"{number}.{form}" for number in ids]
        if place and may_replace(self, files):
            self.message.tell("")
            work = partial(_write_shapes, found, Path(place), form, ids)
            task = LongTask(f"Saving {len(ids)} objects", work, self, "Object")
            task.done.connect(inform)
            task.failed.connect(self.report)
            task.start()


def _work(labels: Labels, image: Layer | None, is_connected: bool | None) -> Any:
    """Prepare what a thread measures; refuse an image that is not of the labels' shape."""
    shape = stack_shape(labels)
    intensities = None
    if isinstance(image, Image):
        if stack_shape(image) != shape:
            raise UserError(
                f"'{image.name}' has the shape {stack_shape(image)}, '{labels.name}' {shape}.",
                "Choose the image that the labels are of.",
            )
        intensities = as_stack(full_resolution(image))
    size = pixel_size_of({"scale": labels.scale, "units": labels.units})
    pages = as_stack(full_resolution(labels))
    return partial(
        report,
        pages,
        shape,
        size,
        f"'{labels.name}'",
        image=intensities,
        is_connected=is_connected,
        classes=layer_classes(labels),
    )


def _write(table: Table, path: Path, on_slice: OnSlice) -> str:
    write_atomically(path, table.to_csv().encode(), follow_links=True)
    return f"Saved {path.name} in {path.parent}."


def _write_shapes(found: Report, folder: Path, form: str, ids: list[int], on_slice: OnSlice) -> str:
    done = count()
    write_shapes(
        found.pages,
        found.objects,
        found.scale,
        folder,
        form,
        ids=ids,
        overwrite=True,
        on_object=lambda: on_slice(next(done), len(ids)),
    )
    return f"Saved {len(ids)} objects in {folder}."


def _is_stack_of_labels(layer: Layer) -> bool:
    return isinstance(layer, Labels) and not why_not_stack(layer)


def _rank(layer: Layer) -> int:
    """Objects first, then what may be ids, of many bits."""
    return 2 if role(layer) == NEURONS else int(full_resolution(layer).dtype.itemsize > 1)
