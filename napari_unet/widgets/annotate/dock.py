"""The annotate dock: paint a little membrane and a little inside, and see how much there is."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_unet.labelling.label_counts import LabelCounts
from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.layer_search import why_not_tissue
from napari_unet.layers.plugin_layers import (
    add_class_labels,
    add_sparse_labels,
    is_sparse_layer,
    is_tissue,
    make_sparse,
    why_not_paintable,
)
from napari_unet.layers.slices import full_resolution, show_slice, stack_shape
from napari_unet.text import as_html
from napari_unet.widgets.annotate.class_choice import BRUSHES, ClassField, brushes_of, kinds_of
from napari_unet.widgets.annotate.first_looks import FirstLooks
from napari_unet.widgets.annotate.table import LabelledTable
from napari_unet.widgets.common.brush_buttons import BrushButtons
from napari_unet.widgets.common.brush_hand import BrushHand
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.dock import Dock, open_dock
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.files.save_layers import LABELS_FORMS, ask_and_save
from napari_unet.widgets.painting.less_painting import LessPainting
from napari_unet.widgets.project.dock import main_window
from napari_unet.widgets.project.session import ProjectSession
from training.errors import UserError
from training.label_classes import NO_CLASSES

COUNT_DELAY = 120  # milliseconds from a brush's movement to new counts
FIRST_BRUSH_SIZE = 4
Count = tuple[LabelCounts, set[int] | None]  # the counts, and which slices to count; None: all


class AnnotateDock(Dock):
    """Coordinates brushes, counts and the viewer.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose images are annotated; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._counts: LabelCounts | None = None
        self._counting = LatestWork(
            self, _count, self._on_counted, self._on_uncounted, merge=_merge, shows_outdated=True
        )
        self._looks = FirstLooks(self._viewer, self, self.report)
        self._image = LayerChoice(self._viewer, is_tissue)
        self._labels = LayerChoice(
            self._viewer, self._fits, prefers=self._rank, nothing="No labels yet"
        )
        self._new, self._names = QPushButton("New"), ClassField()
        self._brushes = BrushButtons(BRUSHES)
        self._hand = BrushHand(self._viewer, self._brushes)
        self._less = LessPainting(self._viewer)
        self._watch = EditWatch(self._viewer, COUNT_DELAY, self)
        self._summary, self._advice = QLabel(), QLabel()
        self._table = LabelledTable()
        self._save, self._train = QPushButton("Save labels…"), QPushButton("Train on these")
        self._lay_out()
        self._connect()
        self._on_labels_changed()

    def _lay_out(self) -> None:
        self._image.setToolTip("The image layer to annotate.")
        self._labels.setToolTip("The layer that is painted on: 1 = membrane, 2 = inside.")
        self._new.setToolTip("Add an empty layer of labels over the image.")
        self._save.setToolTip("Save the labels as a TIF that opens as what it is.")
        self._train.setToolTip("Open Train with this image and these labels.")
        choice = QHBoxLayout()
        choice.addWidget(self._labels, 1)
        choice.addWidget(self._new)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Image", self._image)
        form.addRow("Labels", choice)
        form.addRow("Classes", self._names)
        for text in (self._summary, self._advice):
            text.setWordWrap(True)
        self._summary.setTextFormat(Qt.TextFormat.RichText)
        ends = QHBoxLayout()
        ends.addWidget(self._save)
        ends.addWidget(self._train)
        layout = QVBoxLayout(self.content)
        layout.addLayout(form)
        layout.addWidget(self._brushes)
        layout.addWidget(self._less)
        layout.addWidget(self._summary)
        layout.addWidget(self._table, 1)
        layout.addWidget(self._advice)
        layout.addLayout(ends)
        layout.addWidget(self.message)

    def _connect(self) -> None:
        self._image.layer_changed.connect(self._on_image_changed)
        events, watched = self._viewer.layers.events, Connections(self)
        for event in (events.inserted, events.removed):
            watched.add(event, self._on_layers_changed)
        self._looks.looked.connect(self._labels.refresh)
        self._labels.layer_changed.connect(self._on_labels_changed)
        self._new.clicked.connect(self._on_new_requested)
        self._watch.edited.connect(self._on_edited)
        self._table.slice_requested.connect(self._on_slice_requested)
        self._save.clicked.connect(self._on_save_requested)
        self._train.clicked.connect(self._on_train_requested)

    def _fits(self, layer: Layer) -> bool:
        image = self._image.layer
        is_there = isinstance(layer, Labels) and not why_not_paintable(layer)
        if image is None or not is_there or stack_shape(layer) != stack_shape(image):
            return False
        is_known = is_sparse_layer(layer) or bool(layer_classes(layer))
        return is_known or self._looks.may_be_strokes(layer)

    def _rank(self, layer: Layer) -> int:
        """The active layer first; one that a person made with napari's button only while empty."""
        is_active = layer == self._viewer.layers.selection.active
        if layer_classes(layer):
            return 2 if is_active else 0
        if is_sparse_layer(layer):
            return 2 if is_active else 1
        return 2 if is_active and self._looks.is_empty(layer) else 0

    def _on_image_changed(self) -> None:
        self._labels.refresh()
        self._on_labels_changed()

    def _on_layers_changed(self, event: object) -> None:
        if self._image.layer is None:
            self._show_counts()  # why there is no image may be another reason now

    def _on_new_requested(self) -> None:
        image = self._image.layer
        if image is None:
            return
        try:
            classes = self._names.read()
        except UserError as error:
            self.report(error)
            return
        self.message.tell("")
        empty = np.zeros(full_resolution(image).shape, np.uint8)
        name = f"{image.name} strokes"
        if classes:
            layer = add_class_labels(self._viewer, empty, image, name, classes)
        else:
            layer = add_sparse_labels(self._viewer, empty, image, name)
        layer.brush_size = FIRST_BRUSH_SIZE
        self._labels.choose(layer)
        self._hand.take(self._brushes.brushes[0])

    def _on_labels_changed(self) -> None:
        layer: Any = self._labels.layer
        image = self._image.layer
        classes = NO_CLASSES if layer is None else layer_classes(layer)
        is_new = layer is not None and not (classes or is_sparse_layer(layer))
        if is_new and image is not None:
            make_sparse(layer, image)
        brushes = brushes_of(classes)
        self._brushes.set_brushes(brushes)
        painting = [brush for brush in brushes if brush.label]
        names, colors = [one.name for one in painting], [one.color for one in painting]
        self._table.show_kinds(names, colors)
        self._hand.hold(layer)
        self._less.hold(layer, {brush.label: brush.name for brush in painting})
        self._counts = None if layer is None else LabelCounts(layer.data, kinds_of(classes))
        self._watch.watch(layer)
        self._new.setEnabled(self._image.layer is not None)
        for button in (self._save, self._train):
            button.setEnabled(layer is not None)
        self._show_counts()

    def _on_edited(self, slices: set[int] | None) -> None:
        """Count these slices in a thread; None: all."""
        layer: Any = self._labels.layer
        if layer is None:
            return
        if self._counts is None or not self._counts.is_of(layer.data):
            kinds = kinds_of(layer_classes(layer))
            self._counts, slices = LabelCounts(layer.data, kinds), None
        self._counting.request((self._counts, slices))

    def _on_counted(self, _: None) -> None:
        self.message.tell("")
        self._show_counts()

    def _on_uncounted(self, error: Exception) -> None:
        self._counts = None  # the next edit has all slices counted
        self.report(error)

    def _show_counts(self) -> None:
        counts = self._counts
        self._table.show_counts(counts)
        if counts is not None:
            self._summary.setText(as_html(counts.summary()))
            advice = counts.advice()
            said = f"⚠ {advice}" if advice else "✓ Enough to train on."
            self._advice.setText(f"{said}\n{self._keeping()}" if counts.labelled_slices else said)
            return
        has_image = self._image.layer is not None
        self._summary.setText(
            "Make a layer of labels with <b>New</b>, then paint some membranes and some insides. "
            "What is not painted counts as unknown."
            if has_image
            else as_html(why_not_tissue(self._viewer))
        )
        self._advice.setText("")

    def _keeping(self) -> str:
        """Say who saves the labels."""
        window = main_window(self)
        sessions = [] if window is None else window.findChildren(ProjectSession)
        if any(session.is_held for session in sessions):
            return "The project saves them."
        return "No project is open: save them before you close napari."

    def _on_slice_requested(self, index: int) -> None:
        if self._labels.layer is not None:
            show_slice(self._viewer, self._labels.layer, index)

    def _on_save_requested(self) -> None:
        if self._labels.layer is not None:
            self.message.tell("")
            layer = self._labels.layer
            ask_and_save(self, self._viewer, layer, LABELS_FORMS, self.report)

    def _on_train_requested(self) -> None:
        image: Any = self._image.layer
        labels: Any = self._labels.layer
        open_dock(self._viewer, "Train").choose_layers(image, labels)


def _count(request: Count) -> None:
    counts, slices = request
    counts.update(slices)


def _merge(waiting: Count, new: Count) -> Count:
    (former, before), (counts, after) = waiting, new
    if former is not counts or before is None or after is None:
        return counts, None
    return counts, before | after
