"""Prediction of the slice that is shown, while the slider moves."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_unet.live_prediction import StackPrediction
from napari_unet.widgets.background import run_in_thread
from napari_unet.widgets.messages import report
from napari_unet.widgets.predicted_layers import PredictedLayers


class SliceFollower(QObject):
    """Predicts one slice at a time in a thread; of those asked for meanwhile only the last."""

    predicted = Signal(int)
    failed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work: StackPrediction | None = None
        self._of: tuple[PredictedLayers, bool] | None = None
        self._wanted: int | None = None
        self._is_busy = False

    def request(self, result: PredictedLayers, index: int, tta: bool) -> None:
        """Predict a slice as soon as the one under way is done, unless another is asked for."""
        if self._of != (result, tta):
            self._work = StackPrediction(result.model, result.image.data, result.prediction, tta)
            self._of = (result, tta)
        self._wanted = index
        self._go_on()

    def _go_on(self) -> None:
        if self._is_busy or self._wanted is None or self._work is None:
            return
        index, self._wanted = self._wanted, None
        self._is_busy = True
        run_in_thread(partial(self._work.predict, index), self._on_predicted, self._on_failed)

    def _on_predicted(self, index: int) -> None:
        self._is_busy = False
        self._go_on()
        self.predicted.emit(index)

    def _on_failed(self, error: Exception) -> None:
        self._is_busy, self._wanted = False, None
        report(error)
        self.failed.emit()
