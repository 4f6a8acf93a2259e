"""What is done with the run of the train dock: started, followed, stopped, cancelled, resumed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.launcher_of_run import launcher_for
from napari_unet.runs.run_progress import RunProgress
from napari_unet.runs.training_sources import TrainingData, start_training
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.train.run_watcher import RunWatcher
from training.config import TrainingConfig
from training.runs.run_directory import RunDirectory


class RunControl(QObject):
    """Does with one run at a time what was asked for, in threads, and tells how it went.

    Parameters
    ----------
    runs_folder : Path
        Folder of new runs.
    """

    busy = Signal(str)  # what is being done: "Starting <b>name</b>"
    followed = Signal(object)  # RunDirectory that is watched from now on
    stopping = Signal()  # the run has been told to stop, or is being told
    stop_told = Signal()
    cancelled = Signal()
    refused = Signal(object)  # Exception: nothing was started
    progressed = Signal(object)  # RunProgress
    ended = Signal(object)  # RunProgress
    disturbed = Signal(object)  # UserError: the place can't be reached now; it is tried again

    def __init__(self, runs_folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run: RunDirectory | None = None
        self.launcher: Launcher = LocalLauncher(runs_folder)
        self._is_stopping = False
        self._watcher = RunWatcher(self)
        self._watcher.progressed.connect(self._on_progressed)
        self._watcher.ended.connect(self.ended)
        self._watcher.disturbed.connect(self.disturbed)

    @property
    def watched(self) -> RunDirectory | None:
        """The run, if it has not ended yet."""
        return self.run if self._watcher.is_watching else None

    def start(
        self, launcher: Launcher, data: TrainingData, config: TrainingConfig, name: str
    ) -> None:
        """Start a new run in a place, and follow it."""
        self.launcher = launcher
        self.busy.emit(f"Starting <b>{name}</b>")
        run_in_thread(
            lambda: start_training(launcher, data, config, name), self.follow, self._on_refused
        )

    def resume(self, run: RunDirectory) -> None:
        """Go on with a run that ended before its time, and follow it."""
        self.busy.emit(f"Resuming <b>{run.name}</b>")
        run_in_thread(lambda: self._resumed(run), self.follow, self._on_refused)

    def follow(self, run: RunDirectory) -> None:
        """Watch a run that is going on, or show one that has ended."""
        self.run, self._is_stopping = run, False
        self.launcher = launcher_for(run, self.launcher)
        self.followed.emit(run)
        self._watcher.watch(run, self.launcher)

    def stop(self) -> None:
        """Tell the run to end after its current step."""
        self._is_stopping = True
        self.stopping.emit()
        self._end(self.launcher.stop, self._on_stop_told)

    def cancel(self) -> None:
        """End the run at once, and delete it."""
        if self.run is not None:
            self.busy.emit(f"Deleting <b>{self.run.name}</b>")
            self._watcher.leave()
            self._end(partial(self.launcher.cancel, delete=True), self._on_cancelled)

    def _end(self, end: Callable[[RunDirectory], None], on_result: Callable[[Any], None]) -> None:
        run = self.run
        if run is not None:
            run_in_thread(lambda: end(run), on_result, self._on_not_ended)

    def _resumed(self, run: RunDirectory) -> RunDirectory:
        self.launcher = launcher_for(run, self.launcher)
        self.launcher.resume(run)
        return run

    def _on_refused(self, error: Exception) -> None:
        self.refused.emit(error)

    def _on_stop_told(self, _: None) -> None:
        self.stop_told.emit()

    def _on_cancelled(self, _: None) -> None:
        self.run = None
        self.cancelled.emit()

    def _on_not_ended(self, error: Exception) -> None:
        report(error)
        if self.run is not None:
            self.follow(self.run)

    def _on_progressed(self, progress: RunProgress) -> None:
        self.progressed.emit(progress)
        if progress.is_running and self._is_stopping:
            self.stopping.emit()
