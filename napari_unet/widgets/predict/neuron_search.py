"""The search for neurons in a prediction, in a thread."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.plugin_layers import add_neurons
from napari_unet.layers.slices import displayed_slice
from napari_unet.neurons.live_neurons import SearchProgress, find_neurons
from napari_unet.neurons.segmentation import Segmentation
from napari_unet.neurons.segmentation_choice import settings_of_model
from napari_unet.prediction.large_array import allocate
from napari_unet.widgets.common.background import run_in_thread, start
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.messages import report
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

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._result: PredictedLayers | None = None
        self._layer: Labels | None = None
        self._worker: Any = None
        self._is_linked = self._is_cancelled = False
        self._begin = 0.0
        self._progress = SearchProgress(Segmentation(), 0)
        Connections(self).add(viewer.layers.events.removed, self._on_layer_removed)

    def offer(self, result: PredictedLayers) -> None:
        """Search this prediction from now on, into a layer of its own."""
        self.cancel()
        self._result, self._layer = result, None
        self.available_changed.emit(True)

    def find(self, threshold: float | None, is_linked: bool) -> None:
        """Find the neurons of the predicted slices.

        Parameters
        ----------
        threshold : float or None
            Threshold of borders, 0..1; None: the best on the model's training slices.
        is_linked : bool
            Whether a neuron keeps its number from slice to slice.
        """
        if self._result is None or not self._result.prediction.predicted_slices:
            self.ended.emit("Predict slices first.")
            return
        self._is_linked, self._is_cancelled = is_linked, False
        if threshold is not None:
            self.begun.emit("")
            self._start(Segmentation(threshold=threshold))
            return
        self.begun.emit("Choosing the threshold on training slices…")
        choose = partial(settings_of_model, self._result.model)
        run_in_thread(choose, self._start, self._on_failed)

    def cancel(self) -> None:
        """End the search after the slice under way."""
        self._is_cancelled = True
        if self._worker is not None:
            self._worker.quit()

    def _start(self, how: Segmentation) -> None:
        result = self._result
        if self._is_cancelled or result is None:
            self.ended.emit("Cancelled.")
            return
        if self._layer is None:
            empty = allocate(result.image.data.shape, np.int32)
            name = f"{result.image.name} neurons"
            self._layer = add_neurons(self._viewer, empty, result.image, name)
        self._progress = SearchProgress(how, len(result.prediction.predicted_slices))
        self._begin = time.monotonic()
        self._worker = create_worker(
            find_neurons,
            result.prediction,
            how,
            self._is_linked,
            self._layer.data,
            _ignore_errors=True,
            _start_thread=False,
        )
        self._worker.yielded.connect(self._on_slice_done)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_finished)
        self.destroyed.connect(self._worker.quit)
        start(self._worker)

    def _on_slice_done(self, found: tuple[int, int]) -> None:
        index, highest = found
        text = self._progress.add(highest, time.monotonic() - self._begin)
        self.progressed.emit(self._progress.done, self._progress.total, text)
        if self._layer is not None and displayed_slice(self._viewer, self._layer) == index:
            self._layer.refresh()

    def _on_finished(self) -> None:
        if self._worker is not None:  # it did not fail
            self._worker = None
            self.ended.emit(self._progress.outcome())

    def _on_failed(self, error: Exception) -> None:
        self._worker = None
        self.ended.emit("The search failed.")
        report(error)

    def _on_layer_removed(self, event: Any) -> None:
        if self._layer is not None and event.value == self._layer:
            self.cancel()
            self._layer = None
        if self._result is not None and event.value in self._result.layers:
            self.cancel()
            self._result = None
            self.available_changed.emit(False)
