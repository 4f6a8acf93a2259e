"""The part of the predict dock that finds neurons in a predicted probability."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from napari.qt.threading import create_worker
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.layers.plugin_layers import add_neurons
from napari_unet.layers.slices import displayed_slice
from napari_unet.neurons.live_neurons import find_neurons
from napari_unet.neurons.segmentation import Segmentation
from napari_unet.neurons.segmentation_choice import settings_of_model
from napari_unet.prediction.live_prediction import allocate
from napari_unet.text import progress_text
from napari_unet.widgets.common.background import run_in_thread, start
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.predict.predicted_layers import PredictedLayers

AUTOMATIC = 0.0


class NeuronsView(QWidget):
    """A button that fills a layer with neurons, slice by slice.

    Parameters
    ----------
    viewer : Viewer
        Where the layer is shown.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._result: PredictedLayers | None = None
        self._layer: Labels | None = None
        self._worker: Any = None
        self._is_cancelled = False
        self._find = QPushButton("Find neurons")
        self._find.setToolTip(
            "Number the regions between membranes of all predicted slices; save the layer with "
            "File > Save Selected Layers."
        )
        self._threshold = QDoubleSpinBox()
        self._threshold.setRange(AUTOMATIC, 0.99)
        self._threshold.setSingleStep(0.05)
        self._threshold.setSpecialValueText("auto")
        self._threshold.setToolTip(
            "Neighbours are one neuron where the mean probability along their border is lower. "
            "auto: the best on slices that the model was trained on, else 0.5."
        )
        self._link = QCheckBox("Link slices")
        self._link.setToolTip("One number and colour for a neuron that overlaps in two slices.")
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("End the search; neurons found so far are kept.")
        self._bar, self._state = QProgressBar(), QLabel()
        self._state.setWordWrap(True)
        settings = QHBoxLayout()
        settings.addWidget(QLabel("Borders"))
        settings.addWidget(self._threshold)
        settings.addWidget(self._link)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Neurons"))
        layout.addLayout(settings)
        layout.addWidget(self._find)
        layout.addWidget(self._cancel)
        layout.addWidget(self._bar)
        layout.addWidget(self._state)
        self._find.clicked.connect(self._on_find_requested)
        self._cancel.clicked.connect(self._on_cancel_requested)
        Connections(self).add(viewer.layers.events.removed, self._on_layer_removed)
        self._end("")
        self._find.setEnabled(False)

    def offer(self, result: PredictedLayers) -> None:
        """Whose neurons are found from now on."""
        self._on_cancel_requested()
        self._result, self._layer = result, None
        self._find.setEnabled(True)

    def _on_find_requested(self) -> None:
        if self._result is None or not self._result.prediction.predicted_slices:
            self._end("Predict slices first.")
            return
        self._is_cancelled = False
        self._set_running(True)
        self._bar.setRange(0, 0)
        threshold = self._threshold.value()
        if threshold != AUTOMATIC:
            self._start(Segmentation(threshold=threshold))
            return
        self._state.setText("Choosing the threshold on training slices…")
        choose = partial(settings_of_model, self._result.model)
        run_in_thread(choose, self._start, self._on_failed)

    def _start(self, how: Segmentation) -> None:
        result = self._result
        if self._is_cancelled or result is None:
            self._end("Cancelled.")
            return
        if self._layer is None:
            empty = allocate(result.image.data.shape, np.int32)
            name = f"{result.image.name} neurons"
            self._layer = add_neurons(self._viewer, empty, result.image, name)
        self._how, self._done, self._most = how, 0, 0
        self._total = len(result.prediction.predicted_slices)
        self._bar.setRange(0, self._total)
        self._begin = time.monotonic()
        self._worker = create_worker(
            find_neurons,
            result.prediction,
            how,
            self._link.isChecked(),
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
        index, most = found
        self._done, self._most = self._done + 1, max(self._most, most)
        self._bar.setValue(self._done)
        elapsed = time.monotonic() - self._begin
        self._state.setText(progress_text(self._done, self._total, elapsed))
        if self._layer is not None and displayed_slice(self._viewer, self._layer) == index:
            self._layer.refresh()

    def _on_finished(self) -> None:
        if self._worker is None:  # it failed, or its layer was removed
            return
        self._worker = None
        if self._done < self._total:
            self._end(f"Cancelled after {self._done} of {self._total} slices.")
        else:
            how = f"threshold {self._how.threshold:g}, seeds {self._how.seeds:g}"
            self._end(f"{self._most} neurons ({how}).")

    def _on_failed(self, error: Exception) -> None:
        self._worker = None
        self._end("The search failed.")
        report(error)

    def _on_cancel_requested(self) -> None:
        self._is_cancelled = True
        if self._worker is not None:
            self._worker.quit()

    def _on_layer_removed(self, event: Any) -> None:
        if self._layer is not None and event.value == self._layer:
            self._on_cancel_requested()
            self._layer = None
        if self._result is not None and event.value in self._result.layers:
            self._on_cancel_requested()
            self._result = None
            self._find.setEnabled(False)

    def _end(self, text: str) -> None:
        self._set_running(False)
        self._state.setText(text)
        self._state.setVisible(bool(text))

    def _set_running(self, is_running: bool) -> None:
        self._find.setVisible(not is_running)
        for widget in (self._cancel, self._bar, self._state):
            widget.setVisible(is_running)
