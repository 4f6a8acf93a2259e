"""A prediction that goes on in a thread: slice by slice, with time left, until it is cancelled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_unet.prediction.stack_prediction import StackPrediction, predict_slices
from napari_unet.text import progress_text
from napari_unet.widgets.common.background import start
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.predict.predicted_layers import PredictedLayers


class PredictionWorker(QObject):
    """Predicts slices of one image at a time; napari's activity bar shows it too."""

    slice_done = Signal(int, int, str)  # index, how many are done, how far that is in words
    completed = Signal()  # all slices are done; before ``ended``
    ended = Signal(str)  # what became of it
    failed = Signal(Exception)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._worker: Any = None
        self._begin = 0.0
        self._done = self._total = 0

    @property
    def is_busy(self) -> bool:
        """Whether a prediction goes on."""
        return self._worker is not None

    def predict(self, result: PredictedLayers, indices: Sequence[int], tta: bool) -> None:
        """Predict these slices into the layers of ``result``."""
        self._begin = time.monotonic()
        self._done, self._total = 0, len(indices)
        self._worker = create_worker(
            predict_slices,
            result.model,
            result.image.data,
            indices,
            result.prediction,
            tta,
            _progress={"total": len(indices), "desc": f"Predicting {result.image.name}"},
            _ignore_errors=True,
        )
        self._worker.yielded.connect(self._on_slice_done)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_finished)
        self.destroyed.connect(self._worker.quit)
        start(self._worker)

    def cancel(self) -> None:
        """End after the slice under way."""
        if self._worker is not None:
            self._worker.quit()

    def _on_slice_done(self, index: int) -> None:
        self._done += 1
        elapsed = time.monotonic() - self._begin
        text = progress_text(self._done, self._total, elapsed)
        self.slice_done.emit(index, self._done, text)

    def _on_failed(self, error: Exception) -> None:
        self._worker = None
        self.failed.emit(error)

    def _on_finished(self) -> None:
        if self._worker is None:  # it failed
            return
        self._worker = None
        seconds = time.monotonic() - self._begin
        if self._done == self._total:
            text = "1 slice" if self._total == 1 else f"{self._total} slices"
            self.completed.emit()
            self.ended.emit(f"{text} in {seconds:.1f} s.")
        else:
            self.ended.emit(f"Cancelled after {self._done} of {self._total} slices.")


class SliceFollower(QObject):
    """Predicts one slice at a time in a thread; meanwhile only the last request counts."""

    predicted = Signal(int)
    failed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work: StackPrediction | None = None
        self._of: tuple[PredictedLayers, bool] | None = None
        self._slices = LatestWork(
            self, _predict, self.predicted.emit, self._on_failed, shows_outdated=True
        )

    def request(self, result: PredictedLayers, index: int, tta: bool) -> None:
        """Predict a slice as soon as the one under way is done, unless another is asked for."""
        if self._work is None or self._of != (result, tta):
            self._work = StackPrediction(result.model, result.image.data, result.prediction, tta)
            self._of = (result, tta)
        self._slices.request((self._work, index))

    def _on_failed(self, error: Exception) -> None:
        self._slices.drop()
        report(error)
        self.failed.emit()


def _predict(request: tuple[StackPrediction, int]) -> int:
    work, index = request
    return work.predict(index)
