"""Lets the mask of a prediction follow the threshold, but for what a person corrected."""

from __future__ import annotations

from napari import Viewer
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.plugin_layers import corrected_slices
from napari_unet.settings import Settings
from napari_unet.widgets.common.background import remember_in_thread
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import confirm, inform
from napari_unet.widgets.predict.predicted_layers import PredictedLayers
from napari_unet.widgets.predict.predictions import Predictions
from napari_unet.widgets.predict.views import ThresholdView
from training.console import list_slices


class MaskThreshold(QObject):
    """Decides the mask of the current prediction: the slice that is shown first.

    Parameters
    ----------
    viewer : Viewer
        That shows the mask.
    predictions : Predictions
    view : ThresholdView
        Where a person chooses the threshold.
    """

    decided = Signal()  # all slices are
    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, predictions: Predictions, view: ThresholdView) -> None:
        super().__init__(view)
        self._viewer, self._predictions, self._view = viewer, predictions, view
        self._deciding = LatestWork(self, _decide_all, self._on_decided, self.failed.emit)
        view.threshold_changed.connect(self._on_threshold_changed)
        view.release_requested.connect(self._on_release_requested)
        predictions.corrected.connect(self._show_kept)

    def show_current(self) -> None:
        """Show the threshold of the current prediction, and the slices that it leaves alone."""
        result = self._predictions.current
        if result is not None:
            self._view.show_threshold(result.prediction.threshold)
        self._show_kept()

    def _show_kept(self) -> None:
        result = self._predictions.current
        self._view.show_kept([] if result is None else result.prediction.protected_slices)

    def _on_threshold_changed(self, threshold: float) -> None:
        result = self._predictions.current
        if result is not None:
            self._predictions.protect_corrected(result)
            result.threshold_displayed_slice(self._viewer, threshold)
            self._deciding.request(result)  # the other slices

    def _on_decided(self, done: tuple[PredictedLayers, float]) -> None:
        result, threshold = done
        remember_in_thread(Settings(threshold=threshold))
        result.note_origin()
        result.report_mask_changed()
        self.decided.emit()

    def _on_release_requested(self) -> None:
        """Ask, then drop what a person painted, in one step that can be undone."""
        result = self._predictions.current
        if result is None:
            return
        marked = corrected_slices(result.mask)
        dropped = [index for index in result.prediction.protected_slices if index not in marked]
        if not dropped:
            inform("These slices are marked as correct in the Correct dock, and stay as they are.")
        elif confirm(
            self._view,
            f"Drop the corrections of slices {list_slices(dropped)}?",
            "The threshold decides these slices again. Undo in the mask's layer brings the "
            "corrections back.",
            "Drop them",
        ):
            places, values = result.prediction.find_corrections(dropped)
            result.mask.data_setitem(places, values)
            result.prediction.release_slices(dropped)
            self._show_kept()


def _decide_all(result: PredictedLayers) -> tuple[PredictedLayers, float]:
    return result, result.prediction.threshold_all()
