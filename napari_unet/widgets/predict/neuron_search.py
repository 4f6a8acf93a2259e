"""The search for neurons in a prediction, in a thread."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.plugin_layers import OPERATIONS_KEY, add_neurons
from napari_unet.layers.slices import displayed_slice, stack_shape
from napari_unet.layers.unpredicted import note_unpredicted
from napari_unet.neurons.live_neurons import SearchProgress, find_neurons
from napari_unet.neurons.segmentation import Segmentation
from napari_unet.neurons.segmentation_choice import settings_of_model
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.stacks.large_array import allocate
from napari_unet.widgets.common.background import Worker, run_in_thread
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.predict.predicted_layers import PredictedLayers


class NeuronSearch(QObject):
    """Fills one layer with the neurons of a prediction, slice by slice.

    Parameters
    ----------
    viewer : Viewer
        Viewer that shows the layer.
    """

    available_changed = Signal(bool)  # whether there is a prediction to search
    begun = Signal(str)  # what is done before the first slice
    progressed = Signal(int, int, str)  # slices done, of how many, and that in words
    ended = Signal(str)  # what became of it
    failed = Signal(Exception)
    layer_changed = Signal(bool)  # whether there is a layer of neurons to save

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._result: PredictedLayers | None = None
        self._layer: Labels | None = None  # what the last search filled
        self._layers: WeakKeyDictionary[LivePrediction, Labels] = WeakKeyDictionary()
        self._worker: Worker | None = None
        self._is_linked = self._is_cancelled = self._is_searching = False
        self._searched: set[int] = set()  # slices of the layer
        self._begin = 0.0
        self._progress = SearchProgress(Segmentation(), 0, is_linked=False)
        self._events = Connections(self)
        self._events.add(viewer.layers.events.removed, self._on_layer_removed)

    @property
    def layer(self) -> Labels | None:
        """What the last search of this prediction filled; None while one goes on."""
        return None if self._is_searching else self._layer

    def offer(self, result: PredictedLayers | None) -> None:
        """Search this prediction from now on; None: there is none."""
        former, self._result = self._result, result
        if result is None or former is None or result.prediction is not former.prediction:
            self.cancel()
            self._show_nothing()
        self.available_changed.emit(result is not None)

    def find(self, threshold: float | None, is_linked: bool, model: Path | None) -> None:
        """Find the neurons of the predicted slices.

        Parameters
        ----------
        threshold : float or None
            Threshold of borders, 0..1; None: the best on the model's training slices.
        is_linked : bool
            Whether a neuron keeps its number from slice to slice.
        model : Path or None
            What predicted the slices, if that is known.
        """
        if self._result is None or not self._result.prediction.predicted_slices:
            self._end("Predict slices first.")
            return
        self._is_linked, self._is_cancelled, self._is_searching = is_linked, False, True
        self.layer_changed.emit(False)
        if threshold is None and model is not None:
            self.begun.emit("Choosing the threshold on training slices…")
            run_in_thread(partial(settings_of_model, model), self._start, self._on_failed)
        else:
            self.begun.emit("")
            default = Segmentation()
            self._start(default if threshold is None else replace(default, threshold=threshold))

    def cancel(self) -> None:
        """End the search after the slice under way."""
        self._is_cancelled = True
        if self._worker is not None:
            self._worker.quit()

    def _start(self, how: Segmentation) -> None:
        result = self._result
        if self._is_cancelled or result is None:
            self._end("Cancelled.")
            return
        self._layer = self._layer_of(result)
        self._searched = set()
        self._note_searched()
        count = len(result.prediction.predicted_slices)
        self._progress = SearchProgress(how, count, self._is_linked)
        self._begin = time.monotonic()
        first = displayed_slice(self._viewer, result.image)
        given = result.prediction, how, self._is_linked, self._layer.data, first
        self._worker = Worker(find_neurons, *given)
        self._worker.yielded.connect(self._on_slice_done)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_finished)
        self.destroyed.connect(self._worker.quit)
        self._worker.start()

    def _layer_of(self, result: PredictedLayers) -> Labels:
        """The layer that the last search of a prediction filled, or a new one if it was mended."""
        layer = self._layers.get(result.prediction)
        if layer is None or layer not in self._viewer.layers or OPERATIONS_KEY in layer.metadata:
            empty = allocate(result.mask.data.shape, np.int32)
            name = f"{result.image.name} neurons"
            layer = self._layers[result.prediction] = add_neurons(
                self._viewer, empty, result.image, name
            )
            self._events.add(layer.events.paint, self._on_painted)
        return layer

    def _on_slice_done(self, found: tuple[int, int]) -> None:
        index, highest = found
        text = self._progress.add(highest, time.monotonic() - self._begin)
        self._searched.add(index)
        self._note_searched()
        self.progressed.emit(self._progress.done, self._progress.total, text)
        if self._layer is not None and displayed_slice(self._viewer, self._layer) == index:
            self._layer.refresh()

    def _note_searched(self) -> None:
        """Keep in the layer which slices have no neurons because none were searched for."""
        if self._layer is not None:
            note_unpredicted(self._layer, stack_shape(self._layer)[0], self._searched)

    def _on_finished(self) -> None:
        if self._worker is not None:  # it did not fail
            self._worker = None
            self._report_changed()
            self._end(self._progress.outcome())

    def _report_changed(self) -> None:
        """Emit the layer's data event: its pixels have changed without being painted."""
        if self._layer is not None:
            self._layer.refresh()
            self._layer.events.data(value=self._layer.data)

    def _on_failed(self, error: Exception) -> None:
        self._worker = None
        self._report_changed()
        self._end("")
        self.failed.emit(error)

    def _on_painted(self, event: Any) -> None:
        """Leave a layer to the person who edits it; the next search makes another."""
        for prediction, layer in list(self._layers.items()):
            if layer == event.source:
                del self._layers[prediction]

    def _on_layer_removed(self, event: Any) -> None:
        if self._layer is not None and event.value == self._layer:
            self.cancel()
            self._show_nothing()

    def _show_nothing(self) -> None:
        """Show nothing about a layer that is gone or belongs to another image."""
        self._layer = None
        if not self._is_searching:
            self._end("")

    def _end(self, outcome: str) -> None:
        self._is_searching = False
        self.ended.emit(outcome)
        self.layer_changed.emit(self._layer is not None)
