"""A prediction that goes on in a thread: slice by slice, with time left, until it is cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_unet.launchers.servers.predictions.live_server_prediction import (
    LiveServerPrediction,
    ServerProgress,
)
from napari_unet.layers.crops import surroundings_of
from napari_unet.layers.slices import full_resolution
from napari_unet.layers.stack_names import stack_name
from napari_unet.prediction.stack_prediction import StackPrediction, predict_slices
from napari_unet.settings import load_settings
from napari_unet.text import progress_text
from napari_unet.widgets.common.background import Worker
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.predict.predicted_layers import PredictedLayers
from training.errors import UserError
from training.stacks.intensities import Membranes


class PredictionWorker(QObject):
    """Predicts slices of one image at a time; napari's activity bar shows it too."""

    progressed = Signal(int, str)  # slices that a server has done, or what else it does
    slice_done = Signal(object, int, int, str)  # result, index, how many are done, and in words
    completed = Signal(object)  # all slices of the result are done; before ``ended``
    ended = Signal(object, str)  # result, and what became of it
    failed = Signal(Exception)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._worker: Worker | None = None
        self._server: LiveServerPrediction | None = None
        self._result: PredictedLayers | None = None
        self._error: Exception | None = None
        self._begin = 0.0
        self._done = self._total = 0

    @property
    def result(self) -> PredictedLayers | None:
        """What is filled now; None while nothing is predicted."""
        return self._result if self.is_busy else None

    @property
    def is_busy(self) -> bool:
        """Whether a prediction goes on."""
        return self._worker is not None

    def predict(
        self,
        result: PredictedLayers,
        indices: Sequence[int],
        tta: bool,
        resample: bool,
        membranes: Membranes,
    ) -> None:
        """Predict these slices into the layers of ``result``, which has a model."""
        whole = surroundings_of(result.image)
        self._run(
            result,
            len(indices),
            self._on_slice_done,
            predict_slices,
            result.model,
            whole.data,
            indices,
            result.prediction,
            tta,
            result.pixel_size,
            resample,
            whole.window,
            membranes,
        )

    def predict_on(
        self,
        server: str,
        result: PredictedLayers,
        tta: bool,
        resample: bool,
        membranes: Membranes,
    ) -> None:
        """Predict all slices on a server; they come when all are done there.

        Raises
        ------
        UserError
            If the image is a part of another, whose pixels around it are not sent.
        """
        if surroundings_of(result.image).window is not None:
            raise UserError(
                "A part of an image is predicted on this computer.",
                "Choose it beside Predict on, or predict the whole image.",
            )
        model: Any = result.model
        data = full_resolution(result.image)
        options = tta, resample, membranes, result.pixel_size, stack_name(result.image)
        folder = Path(load_settings().runs_folder).absolute()
        server_work = LiveServerPrediction(server, folder, model, data, result.prediction, *options)
        total = len(result.prediction)
        self._run(result, total, self._on_server_progress, server_work.go)
        self._server = server_work

    def _run(
        self,
        result: PredictedLayers,
        total: int,
        on_yielded: Callable[[Any], None],
        work: Callable[..., Iterator[Any]],
        *arguments: Any,
    ) -> None:
        shown = total if work is predict_slices else 0  # of a server it is not known
        self._begin = time.monotonic()
        self._result, self._server = result, None
        self._done, self._total = 0, total
        self._worker = Worker(work, *arguments)
        self._worker.show_activity(f"Predicting {result.image.name}", shown)
        self._worker.yielded.connect(on_yielded)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_finished)
        self.destroyed.connect(self._worker.quit)
        self._worker.start()

    def cancel(self) -> None:
        """End after the slice under way; on a server, as soon as it has heard of it."""
        if self._server is not None:
            self._server.end()
        elif self._worker is not None:
            self._worker.quit()

    def _on_slice_done(self, index: int) -> None:
        self._done += 1
        elapsed = time.monotonic() - self._begin
        text = progress_text(self._done, self._total, elapsed)
        self.slice_done.emit(self._result, index, self._done, text)

    def _on_server_progress(self, progress: ServerProgress) -> None:
        if progress.index is None:
            self.progressed.emit(progress.done, progress.text)
        else:
            self._done += 1
            self.slice_done.emit(self._result, progress.index, self._done, progress.text)

    def _on_failed(self, error: Exception) -> None:
        self._error = error  # it is told when the worker has ended, and another may begin

    def _on_finished(self) -> None:
        self._worker = self._server = None
        if self._error is not None:
            error, self._error = self._error, None
            self.failed.emit(error)
            return
        seconds = time.monotonic() - self._begin
        if self._done == self._total:
            text = "1 slice" if self._total == 1 else f"{self._total} slices"
            self.completed.emit(self._result)
            outcome = f"{text} in {seconds:.1f} s."
        else:
            outcome = f"Cancelled after {self._done} of {self._total} slices."
        self.ended.emit(self._result, outcome)


class SliceFollower(QObject):
    """Predicts one slice at a time in a thread; meanwhile only the last request counts."""

    predicted = Signal(object, int)  # result and index
    failed = Signal(Exception)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work: StackPrediction | None = None
        self._of: tuple[PredictedLayers, bool, bool, Membranes, int] | None = None
        self._slices = LatestWork(
            self, _predict, self._on_predicted, self._on_failed, shows_outdated=True
        )

    def request(
        self,
        result: PredictedLayers,
        index: int,
        tta: bool,
        resample: bool,
        membranes: Membranes,
    ) -> None:
        """Predict a slice as soon as the one under way is done, unless another is asked for."""
        whole, model = surroundings_of(result.image), result.model
        what = (result, tta, resample, membranes, id(whole.data))
        if model is not None and (self._work is None or self._of != what):
            size = result.pixel_size
            self._work = StackPrediction(
                model,
                whole.data,
                result.prediction,
                tta,
                size,
                resample,
                whole.window,
                membranes,
            )
            self._of = what
        if self._work is not None:
            self._slices.request((result, self._work, index))

    def _on_predicted(self, predicted: tuple[PredictedLayers, int]) -> None:
        self.predicted.emit(*predicted)

    def _on_failed(self, error: Exception) -> None:
        self._slices.drop()
        self.failed.emit(error)


def _predict(request: tuple[PredictedLayers, StackPrediction, int]) -> tuple[PredictedLayers, int]:
    result, work, index = request
    return result, work.predict(index)
