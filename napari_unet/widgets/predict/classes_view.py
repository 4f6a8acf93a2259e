"""The part of the predict dock that predicts all classes of a model into one layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_unet.layers.class_layers import CLASS_THRESHOLDS_KEY, layer_classes, layer_thresholds
from napari_unet.layers.crops import surroundings_of
from napari_unet.layers.layer_search import image_under
from napari_unet.layers.plugin_layers import MODEL_KEY, add_class_labels
from napari_unet.layers.slices import displayed_slice, full_resolution, nearest_first, stack_shape
from napari_unet.layers.unpredicted import note_unpredicted, unpredicted_note, unpredicted_slices
from napari_unet.prediction.class_prediction import predict_classes
from napari_unet.prediction.live_classes import LiveClasses
from napari_unet.prediction.model_source import find_model
from napari_unet.text import progress_text
from napari_unet.widgets.common.background import Worker
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.predict.class_thresholds_view import ClassThresholdsView
from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses
from training.stacks.intensities import Membranes


@dataclass(frozen=True, eq=False)
class _Predicted:
    """A layer of classes, and what decides it."""

    image: Image
    model: Path
    layer: Labels
    live: LiveClasses

    def note_thresholds(self) -> None:
        """Keep with the layer the thresholds that decided it."""
        self.layer.metadata[CLASS_THRESHOLDS_KEY] = self.live.thresholds

    def note_unpredicted(self) -> None:
        """Keep with the layer which slices are not predicted yet, for whoever takes it."""
        note_unpredicted(self.layer, len(self.live), self.live.predicted_slices)


class _Decision(NamedTuple):
    """A slice to decide again, or all of them (None), and in the end whether that was done."""

    predicted: _Predicted
    shown: int | None
    is_done: bool = False


class ClassesView(QWidget):
    """A button and thresholds that are there while a model of several classes is chosen.

    Parameters
    ----------
    viewer : Viewer
        Gets a layer of the classes' values, in their colours, at each prediction.
    """

    requested = Signal()
    offered = Signal()  # controls of the classes of a model
    rested = Signal()  # nothing is read or predicted any more

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._model: Path | None = None
        self._image: Image | None = None
        self._predicted: _Predicted | None = None  # the last one, whose probabilities are kept
        self._classes = NO_CLASSES
        self._worker: Worker | None = None
        self._filled: Labels | None = None  # while the worker is there
        self._error: Exception | None = None  # of the worker
        self._on_done: Callable[[Labels], None] = lambda _: None
        self._begin, self._done, self._total = 0.0, 0, 0
        self._bar, self._state = QProgressBar(), MessageLine()
        self._reading = LatestWork(self, _classes_of, self._on_read, self._state.tell_error)
        self._reading.rested.connect(self.rested)
        self._deciding = LatestWork(self, _decide, self._on_decided, self._state.tell_error)
        self._thresholds = ClassThresholdsView()
        self._thresholds.changed.connect(self._on_thresholds_changed)
        events = Connections(self)
        events.add(viewer.layers.events.inserted, self._on_layer_inserted)
        events.add(viewer.layers.events.removed, self._on_layer_removed)
        self._button = QPushButton("Predict all classes")
        self._button.setToolTip(
            "Predict every slice into a new layer of labels: the likeliest class of each pixel, or "
            "what the thresholds make of it."
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
        layout.addWidget(QLabel("Thresholds of classes"))
        layout.addWidget(self._thresholds)
        layout.addWidget(self._bar)
        layout.addWidget(self._state)
        self._show()

    @property
    def has_classes(self) -> bool:
        """Whether the model that is offered has classes, as far as is known."""
        return bool(self._classes)

    @property
    def is_busy(self) -> bool:
        """Whether the classes of a model are being read, or predicted."""
        return self._reading.is_busy or self._worker is not None

    def offer(self, model: Path | None, image: Image | None) -> None:
        """Find in a thread the classes of a model, and show the thresholds of those of an image."""
        is_other_image, self._image = image != self._image, image
        if model == self._model:
            if is_other_image:
                self._show_thresholds()
            return
        self._model, self._classes = model, NO_CLASSES
        self._show()
        if model is None:
            self._reading.drop()
        else:
            self._reading.request(model)

    def predict(
        self,
        image: Image,
        tta: bool,
        membranes: Membranes,
        on_done: Callable[[Labels], None] = lambda _: None,
    ) -> None:
        """Predict every slice of an image into a new layer, the one that is shown first.

        The layer is passed on once it is whole.
        """
        if self._worker is not None or self._model is None or not self._classes:
            return
        try:
            predicted = self._begin_layer(self._model, image)
        except UserError as error:
            self._state.tell_error(error)
            return
        layer, live = predicted.layer, predicted.live
        whole, count = surroundings_of(image), stack_shape(image)[0]
        indices = list(nearest_first(range(count), displayed_slice(self._viewer, image)))
        self._begin, self._done, self._total = time.monotonic(), 0, count
        given = self._model, whole.data, live, indices, tta, whole.window, membranes
        self._worker = Worker(predict_classes, *given)
        self._worker.show_activity(f"Predicting {image.name}", count)
        # Methods alone are not called any more once the dock is closed.
        self._filled, self._on_done = layer, on_done
        self._worker.yielded.connect(self._on_slice_done)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_finished)
        self.destroyed.connect(self._worker.quit)
        self._state.tell("")
        self._show()
        self._show_followed()
        self._worker.start()

    def cancel(self) -> None:
        """End after the slice under way."""
        if self._worker is not None:
            self._worker.quit()

    def _begin_layer(self, model: Path, image: Image) -> _Predicted:
        self._predicted = None  # before there are two
        shape = full_resolution(image).shape
        live = LiveClasses(shape, self._classes, self._thresholds.thresholds)
        name = f"{image.name} classes"
        layer = add_class_labels(self._viewer, live.values, image, name, self._classes)
        layer.metadata[MODEL_KEY] = str(model)
        self._predicted = _Predicted(image, model, layer, live)
        self._predicted.note_thresholds()
        self._predicted.note_unpredicted()
        return self._predicted

    @property
    def _followed(self) -> _Predicted | None:
        """The prediction that the thresholds change: that of the image by the model."""
        found = self._predicted
        if found is None or (found.image, found.model) != (self._image, self._model):
            return None
        return found if found.layer.data is found.live.values else None

    def _on_thresholds_changed(self) -> None:
        followed, thresholds = self._followed, self._thresholds.thresholds
        if followed is not None and thresholds != followed.live.thresholds:
            followed.live.thresholds = thresholds
            shown = displayed_slice(self._viewer, followed.layer)
            self._deciding.request(_Decision(followed, shown))

    def _on_decided(self, decided: _Decision) -> None:
        """Draw the slice that is shown before the others are decided."""
        predicted = decided.predicted
        if predicted is not self._predicted:
            return
        predicted.layer.refresh()
        if decided.shown is not None:
            self._deciding.request(_Decision(predicted, None))
        elif decided.is_done:
            predicted.note_thresholds()
            predicted.layer.events.data(value=predicted.layer.data)
            self._show_followed()

    def _on_layer_inserted(self, event: Any) -> None:
        if self._classes and MODEL_KEY in event.value.metadata:  # such as a project's
            self._show_thresholds()

    def _on_layer_removed(self, event: Any) -> None:
        if self._predicted is not None and self._predicted.layer == event.value:
            self.cancel()
            self._predicted = None
            self._state.tell("")
            self._show_followed()

    def _show_thresholds(self) -> None:
        """Show what decided the classes of the image; else leave what was chosen."""
        followed = self._followed
        if followed is not None:
            self._thresholds.show_thresholds(followed.live.thresholds)
        elif (layer := self._find_layer()) is not None:
            self._thresholds.show_thresholds(layer_thresholds(layer))
        self._show_followed()

    def _show_followed(self) -> None:
        followed = self._followed
        if followed is None:
            self._thresholds.show_followed("", [])
        else:
            self._thresholds.show_followed(followed.layer.name, followed.live.edited_slices)

    def _find_layer(self) -> Labels | None:
        """Find the newest classes of the image that the model predicted before."""
        names = self._classes.names
        by_model = (
            layer
            for layer in reversed(self._viewer.layers)
            if layer.metadata.get(MODEL_KEY) == str(self._model)
            and layer_classes(layer).names == names
        )
        of_image = (found for found in by_model if image_under(self._viewer, found) == self._image)
        return next(of_image, None)

    def _on_slice_done(self, index: int) -> None:
        layer: Any = self._filled
        self._done += 1
        elapsed = time.monotonic() - self._begin
        self._bar.setRange(0, self._total)
        self._bar.setValue(self._done)
        self._state.tell(progress_text(self._done, self._total, elapsed))
        if self._predicted is not None:
            self._predicted.note_unpredicted()
        if displayed_slice(self._viewer, layer) in (index, None):
            layer.refresh()

    def _on_failed(self, error: Exception) -> None:
        self._error = error  # it is told in place of how far the prediction came

    def _on_finished(self) -> None:
        layer: Any = self._filled
        self._worker = self._filled = None
        layer.events.data(value=layer.data)  # whoever compares it does so again
        is_there = layer in self._viewer.layers
        self._tell_outcome(layer if is_there else None)
        self._show()
        if is_there and self._done == self._total:
            self._on_done(layer)
        self.rested.emit()

    def _tell_outcome(self, layer: Labels | None) -> None:
        error, self._error = self._error, None
        if error is not None:
            self._state.tell_error(error)
        elif layer is None:  # a person removed it
            self._state.tell("")
        elif self._done == self._total:
            seconds = time.monotonic() - self._begin
            self._state.tell(f"All classes of {self._total} slices in {seconds:.1f} s.")
        else:
            missing = unpredicted_note(unpredicted_slices(layer), layer.name)
            self._state.tell(f"Ended after {self._done} of {self._total} slices. {missing}")

    def _on_read(self, classes: LabelClasses) -> None:
        self._classes = classes
        self._thresholds.offer(classes)
        self._show_thresholds()
        self._show()
        self.offered.emit()

    def _show(self) -> None:
        is_running = self._worker is not None
        self._button.setEnabled(not is_running)
        self._cancel.setVisible(is_running)
        self._bar.setVisible(is_running)
        self.setVisible(bool(self._classes) or is_running)


def _decide(asked: _Decision) -> _Decision:
    live, shown = asked.predicted.live, asked.shown
    indices = range(len(live)) if shown is None else [shown]
    return asked._replace(is_done=live.decide(indices))


def _classes_of(model: Path) -> LabelClasses:
    try:
        return find_model(model).read_card().label_classes
    except UserError:  # predicting by it says what is wrong with it
        return NO_CLASSES
