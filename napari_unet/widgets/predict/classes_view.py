"""The part of the predict dock that predicts all classes of a model into one layer."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_unet.layers.crops import surroundings_of
from napari_unet.layers.plugin_layers import add_class_labels
from napari_unet.layers.slices import displayed_slice, full_resolution, nearest_first, stack_shape
from napari_unet.prediction.class_prediction import predict_classes
from napari_unet.prediction.model_source import find_model
from napari_unet.text import progress_text
from napari_unet.widgets.common.background import Worker
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.message_line import MessageLine
from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses
from training.stacks.intensities import Membranes


class ClassesView(QWidget):
    """A button that is there while a model of several classes is chosen.

    Parameters
    ----------
    viewer : Viewer
        Gets a layer of the classes' values, in their colours, at each prediction.
    """

    requested = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._model: Path | None = None
        self._classes = NO_CLASSES
        self._worker: Worker | None = None
        self._begin, self._done, self._total = 0.0, 0, 0
        self._bar, self._state = QProgressBar(), MessageLine()
        self._reading = LatestWork(self, _classes_of, self._on_read, self._state.tell_error)
        self._button = QPushButton("Predict all classes")
        self._button.setToolTip(
            "Predict every slice into a new layer of labels: the likeliest class of each pixel."
        )
        self._button.clicked.connect(lambda: self.requested.emit())
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("End after this slice; those that are there are kept.")
        self._cancel.clicked.connect(self.cancel)
        self._bar.setAccessibleName("Progress of the prediction of classes")
        buttons = QHBoxLayout()
        buttons.addWidget(self._button, stretch=1)
        buttons.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._bar)
        layout.addWidget(self._state)
        self._show()

    def offer(self, model: Path | None) -> None:
        """Find out whether a model tells classes apart, in a thread."""
        if model == self._model:
            return
        self._model, self._classes = model, NO_CLASSES
        self._show()
        if model is None:
            self._reading.drop()
        else:
            self._reading.request(model)

    def predict(self, image: Image, tta: bool, membranes: Membranes) -> None:
        """Predict every slice of an image into a new layer, the one that is shown first."""
        if self._worker is not None or not self._classes:
            return
        layer = self._add_layer(image)
        whole, count = surroundings_of(image), stack_shape(image)[0]
        indices = list(nearest_first(range(count), displayed_slice(self._viewer, image)))
        self._begin, self._done, self._total = time.monotonic(), 0, count
        given = self._model, whole.data, layer.data, indices, tta, whole.window, membranes
        self._worker = Worker(predict_classes, *given)
        self._worker.show_activity(f"Predicting {image.name}", count)
        self._worker.yielded.connect(lambda index: self._on_slice_done(layer, index))
        self._worker.errored.connect(self._state.tell_error)
        self._worker.finished.connect(self._on_finished)
        self.destroyed.connect(self._worker.quit)
        self._state.tell("")
        self._show()
        self._worker.start()

    def cancel(self) -> None:
        """End after the slice under way."""
        if self._worker is not None:
            self._worker.quit()

    def _add_layer(self, image: Image) -> Labels:
        empty = np.zeros(full_resolution(image).shape, np.uint8)
        name = f"{image.name} classes"
        return add_class_labels(self._viewer, empty, image, name, self._classes)

    def _on_slice_done(self, layer: Labels, index: int) -> None:
        self._done += 1
        elapsed = time.monotonic() - self._begin
        self._bar.setRange(0, self._total)
        self._bar.setValue(self._done)
        self._state.tell(progress_text(self._done, self._total, elapsed))
        if displayed_slice(self._viewer, layer) in (index, None):
            layer.refresh()

    def _on_finished(self) -> None:
        self._worker = None
        if self._done == self._total:
            seconds = time.monotonic() - self._begin
            self._state.tell(f"All classes of {self._total} slices in {seconds:.1f} s.")
        elif self._done:
            self._state.tell(f"Ended after {self._done} of {self._total} slices.")
        self._show()

    def _on_read(self, classes: LabelClasses) -> None:
        self._classes = classes
        self._show()

    def _show(self) -> None:
        is_running = self._worker is not None
        self._button.setEnabled(not is_running)
        self._cancel.setVisible(is_running)
        self._bar.setVisible(is_running)
        self.setVisible(bool(self._classes) or is_running)


def _classes_of(model: Path) -> LabelClasses:
    try:
        return find_model(model).read_card().label_classes
    except UserError:  # predicting by it says what is wrong with it
        return NO_CLASSES
