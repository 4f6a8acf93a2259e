"""Learns on from the model in use, and says whether the new one is better."""

from __future__ import annotations

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtCore import QObject

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.learning_on import (
    comparison_text,
    current_model,
    learn_on,
    use,
    use_if_better,
)
from napari_unet.runs.model_list import model_title
from napari_unet.runs.run_list import summarize
from napari_unet.runs.run_progress import RunProgress, failure
from napari_unet.runs.training_sources import LayerData, LayerStack
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.dock import open_dock
from napari_unet.widgets.correct.learn_on_view import LearnOnView
from napari_unet.widgets.train.run_watcher import RunWatcher
from training.runs.run_directory import RunDirectory


class Learning(QObject):
    """Starts and watches the run that learns on.

    Parameters
    ----------
    viewer : Viewer
        Viewer where the Train and Predict docks are opened.
    view : LearnOnView
        Shows how far it is.
    """

    def __init__(self, viewer: Viewer, view: LearnOnView) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self._run: RunDirectory | None = None
        self._image: Image | None = None  # which the run learns on
        self._watcher = RunWatcher(view)
        self._watcher.ended.connect(self._on_ended)
        view.use_requested.connect(self._on_use_requested)

    def start(self, image: Image, labels: Labels) -> None:
        """Learn on from these layers."""
        self._image = image
        data = LayerData(LayerStack.of(image), LayerStack.of(labels))
        self._view.show_state("Starting…", can_begin=False)
        run_in_thread(lambda: learn_on(data), self._on_started, self._on_refused)

    def look_for_model(self) -> None:
        """Name the model in use, which a training may have made since the dock was last seen."""
        if self._run is None:
            run_in_thread(_describe_model, self._on_model_found, self._view.show_failure)

    def _on_model_found(self, description: str) -> None:
        if self._run is None:
            text = f"From {description}." if description else "Train a model first."
            self._view.show_state(text, can_begin=bool(description))

    def _on_started(self, run: RunDirectory) -> None:
        self._run = run
        self._view.show_state(f"{run.name} is learning; Train shows it.", can_begin=False)
        self._watcher.watch(run, LocalLauncher(run.path.parent))
        open_dock(self._viewer, "Train").follow(run)

    def _on_refused(self, error: Exception) -> None:
        self._view.show_failure(error)

    def _on_ended(self, progress: RunProgress) -> None:
        run = self._run
        if run is None:
            return
        if progress.status not in ("finished", "stopped"):
            self._view.show_failure(failure(run, progress.state))
            return
        self._view.show_state(comparison_text(progress.state), can_begin=True)
        run_in_thread(lambda: use_if_better(run), self._view.offer_model, self._view.show_failure)

    def _on_use_requested(self) -> None:
        run = self._run
        if run is not None:
            run_in_thread(lambda: use(run), self._on_used, self._view.show_failure)

    def _on_used(self, run: RunDirectory) -> None:
        self._view.withdraw_model()
        image = self._image if self._image in self._viewer.layers else None
        open_dock(self._viewer, "Predict").predict_all(run.path, image)


def _describe_model() -> str:
    """The model in use, as Predict names it; empty where there is none."""
    run = current_model()
    return "" if run is None else model_title(summarize(run))
