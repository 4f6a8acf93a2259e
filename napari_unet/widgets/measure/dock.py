"""The measure dock: how large the objects of a layer are, where they are, and what they touch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Layer
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.plugin_layers import (
    MASK,
    NEURONS,
    add_neurons,
    is_tissue,
    role,
    why_not_stack,
)
from napari_unet.layers.slices import full_resolution
from napari_unet.measurement.report import Report
from napari_unet.measurement.shapes import check_shapes
from napari_unet.measurement.tables import Table
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
from napari_unet.widgets.measure.work import (
    count_objects,
    measuring,
    write_objects,
    write_table,
)
from training.errors import UserError

_NUMBERED, _PARTS = "numbered objects", "connected parts"
_WAYS = {_NUMBERED: None, _PARTS: True, "each value": False}
_ALL_CLASSES = "all classes"
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
        self._shown: Table | None = None  # rows of the report
        self._parts: Labels | None = None  # the layer of parts that was made last, unchanged since
        self._task: LongTask | None = None
        self._measured: Labels | None = None  # by the task
        self._labels = LayerChoice(self._viewer, _is_stack_of_labels, prefers=self._rank)
        self._image = LayerChoice(self._viewer, is_tissue)
        self._has_image = QCheckBox("Intensities")
        self._ways, self._rows, self._classes = QComboBox(), QComboBox(), QComboBox()
        self._class_label = QLabel("Class")
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
        self._classes.setToolTip("The class whose objects are listed, drawn and exported.")
        self._classes.setAccessibleName("Class")
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
        rows.addRow(self._class_label, self._classes)
        buttons = QGridLayout()
        buttons.addWidget(self._export_all, 0, 0)
        buttons.addWidget(self._export_chosen, 0, 1)
        buttons.addWidget(self._shapes, 1, 0, 1, 2)
        self._export_all.setToolTip("Save all rows that are listed as CSV.")
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
        self._classes.currentIndexChanged.connect(self._show_table)
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
        self._labels.choose(labels)  # it stays, whichever layer is added or selected next
        image = self._image.layer if self._has_image.isChecked() else None
        try:
            work = measuring(labels, image, _WAYS[self._ways.currentText()])
        except UserError as error:
            self.report(error)
            return
        self._task = LongTask(f"Measuring {labels.name}", work, self)
        self._measured = labels
        self._task.done.connect(self._on_measured)  # a method alone is not called once it is closed
        self._task.failed.connect(self.report)
        self._task.ended.connect(self._on_ended)
        self._measure.setEnabled(False)
        self._measure.setText("Measuring…")
        self._task.start()

    def _rank(self, layer: Layer) -> int:
        """What a person has selected first, then objects, then what may be ids, of many bits."""
        if layer in self._viewer.layers.selection:
            return 3
        return 2 if role(layer) == NEURONS else int(full_resolution(layer).dtype.itemsize > 1)

    def _on_layer_changed(self) -> None:
        layer = self._labels.layer
        if layer is not None:
            has_parts = layer_classes(layer) or role(layer) == MASK
            self._ways.setCurrentText(_PARTS if has_parts else _NUMBERED)
        self._measure.setEnabled(self._labels.layer is not None and self._task is None)
        self.message.tell("" if self._labels.layer is not None else "Open or make labels first.")
        self._forget()

    def _forget(self) -> None:
        self._report = self._shown = self._parts = None
        self._link.watch(None)
        self._results.hide()

    def _on_ended(self) -> None:
        self._task = None
        self._measure.setText("Measure")
        self._measure.setEnabled(self._labels.layer is not None)

    def _on_measured(self, found: Report) -> None:
        labels = self._measured
        if labels is None or labels not in self._viewer.layers or labels != self._labels.layer:
            return
        shown = labels
        if found.parts is not None:  # which have numbers of their own, to be seen and clicked
            parts = found.parts.reshape(full_resolution(labels).shape)
            shown = self._parts = self._show_parts(labels, parts)
        self._report = found
        self._link.watch(shown)
        self._summary.setText(found.headline)
        self._summary.setToolTip("\n".join(found.sentences))
        self._notes.setText("\n".join(found.notes))
        self._notes.setVisible(bool(found.notes))
        self._rows.setEnabled(not found.is_flat)
        self._offer_classes(found.objects)
        self._results.show()
        self._show_table()

    def _show_parts(self, labels: Labels, parts: NDArray[Any]) -> Labels:
        """Show parts in the layer of the former ones, unless a person has changed it."""
        former = self._parts
        if former is None or former not in self._viewer.layers:
            return add_neurons(self._viewer, parts, labels, f"{labels.name} parts")
        self._link.watch(None)
        former.data = parts
        return former

    def _offer_classes(self, table: Table) -> None:
        chosen = self._classes.currentText()
        names = [*dict.fromkeys(filter(None, table.columns.get("class", [])))]
        with signals_blocked(self._classes):
            self._classes.clear()
            self._classes.addItems([_ALL_CLASSES, *names])
            self._classes.setCurrentText(chosen)
        for widget in (self._class_label, self._classes):
            widget.setVisible(len(names) > 1)

    def _show_table(self, _: int = 0) -> None:
        if self._report is None:
            return
        table = self._report.slices if self._rows.currentIndex() else self._report.objects
        if self._classes.currentIndex() > 0:
            is_listed = np.asarray(table.columns["class"]) == self._classes.currentText()
            table = table.take(np.flatnonzero(is_listed))
        self._shown = table
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
        table: Any = self._shown
        columns = table.columns
        depth = columns.get("slice", columns.get("centroid_z_px", np.zeros(len(table))))[row]
        place = (depth, columns["centroid_y_px"][row], columns["centroid_x_px"][row])
        self._link.show(int(columns["object"][row]), tuple(map(float, place)))

    def _on_object_clicked(self, number: int, index: int) -> None:
        """Choose the row of an object: that in the slice shown, where slices have rows."""
        table = self._shown
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
        self._parts = None
        self.message.tell("The labels have changed since; measure them again.")

    def _on_theme_changed(self, event: Any) -> None:
        self._plot.plot.set_theme(event.value)

    def _export(self, rows: NDArray[np.intp] | None) -> None:
        """Ask where to save the table, or some of its rows, and save it in the background."""
        table, labels = self._shown, self._labels.layer
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
        task = LongTask(f"Saving {path.name}", partial(write_table, part, path), self)
        task.done.connect(inform)
        task.failed.connect(self.report)
        task.start()

    def _export_shapes(self, form: str) -> None:
        """Ask for a folder, and save the shapes of the chosen objects in the background."""
        table, found = self._shown, self._report
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
            work = partial(write_objects, found, Path(place), form, ids)
            task = LongTask(f"Saving {count_objects(ids)}", work, self, "Object")
            task.done.connect(inform)
            task.failed.connect(self.report)
            task.start()


def _is_stack_of_labels(layer: Layer) -> bool:
    return isinstance(layer, Labels) and not why_not_stack(layer)
