"""Control of the train dock's run: start, follow, stop, cancel, resume."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_progress import RunProgress
from napari_unet.runs.training_places import launcher_for
from napari_unet.runs.training_sources import TrainingData
from napari_unet.runs.training_start import start_training
from napari_unet.runs.training_there import DataThere
from napari_unet.settings import Settings, remember
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.train.run_watcher import RunWatcher
from training.config import TrainingConfig
from training.errors import UserError
from training.runs.run_directory import RunDirectory


class RunControl(QObject):
    """Starts, resumes, follows and ends one run at a time, in threads, and reports how it went.

    Parameters
    ----------
    runs_folder : Path
        Folder of new runs.

    Attributes
    ----------
    run : RunDirectory or None
        The run that is followed, or was followed last.
    launcher : Launcher
        Launcher of the run's place.
    is_stopping : bool
        Whether the run was asked to stop.
    """

    busy = Signal(str)  # what is being done, in plain words
    followed = Signal(object)  # RunDirectory that is watched from now on
    stopping = Signal()  # the run was asked to stop, or is being asked
    stop_sent = Signal()  # the place has taken the request to stop
    cancelled = Signal()
    refused = Signal(object)  # Exception: nothing was started or followed
    not_ended = Signal(object)  # Exception: the run could not be stopped or cancelled
    progressed = Signal(object)  # RunProgress
    ended = Signal(object)  # RunProgress
    disturbed = Signal(object)  # UserError: the place can't be reached now; it is tried again

    def __init__(self, runs_folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run: RunDirectory | None = None
        self.launcher: Launcher = LocalLauncher(runs_folder)
        self.is_stopping = False
        self._request: Callable[[], None] = lambda: None  # what was asked for last
        self._watcher = RunWatcher(self)
        self._watcher.progressed.connect(self._on_progressed)
        self._watcher.ended.connect(self.ended)
        self._watcher.disturbed.connect(self.disturbed)

    @property
    def watched(self) -> RunDirectory | None:
        """The run, if it has not ended yet."""
        return self.run if self._watcher.is_watching else None

    def start(
        self,
        launcher: Launcher,
        data: TrainingData | DataThere,
        config: TrainingConfig,
        name: str,
    ) -> None:
        """Start a new run in a place, and follow it."""
        self._request = partial(self.start, launcher, data, config, name)
        self.busy.emit(f"Starting '{name}'")
        begin = partial(start_training, launcher, data, config, name)
        run_in_thread(lambda: (begin(), launcher), self._on_started, self._on_refused)

    def resume(self, run: RunDirectory) -> None:
        """Resume a run that ended before its time, and follow it."""
        self._request = partial(self.resume, run)
        self.busy.emit(f"Resuming '{run.name}'")
        current = self.launcher
        run_in_thread(lambda: _resume(run, current), self._on_started, self._on_refused)

    def follow(self, run: RunDirectory) -> None:
        """Watch a run that is going on, or show one that has ended."""
        try:
            launcher = launcher_for(run, self.launcher)
        except UserError as error:
            self.refused.emit(error)
        else:
            self._watch(run, launcher)

    def stop(self) -> None:
        """Ask the run to end after its current step."""
        self._request = self.stop
        self.is_stopping = True
        self.stopping.emit()
        self._end(self.launcher.stop, self._on_stop_sent)

    def cancel(self) -> None:
        """End the run at once, and delete it."""
        self._request = self.cancel
        if self.run is not None:
            self.busy.emit(f"Deleting '{self.run.name}'")
            self._watcher.leave()
            self._end(partial(self.launcher.cancel, delete=True), self._on_cancelled)

    def repeat(self) -> None:
        """Do again what was asked for last: what kept it from being done is mended."""
        self._request()

    def leave_running(self) -> None:
        """Remember the run, which goes on, so that the next window follows it again."""
        if self.watched is not None:
            remember(Settings(followed_run=str(self.watched.path)))

    def _watch(self, run: RunDirectory, launcher: Launcher) -> None:
        self.run, self.launcher, self.is_stopping = run, launcher, False
        self.followed.emit(run)
        self._watcher.watch(run, launcher)

    def _end(self, end: Callable[[RunDirectory], None], on_result: Callable[[Any], None]) -> None:
        run = self.run
        if run is not None:
            run_in_thread(lambda: end(run), on_result, self._on_not_ended)

    def _on_started(self, started: tuple[RunDirectory, Launcher]) -> None:
        self._watch(*started)

    def _on_refused(self, error: Exception) -> None:
        self.refused.emit(error)

    def _on_stop_sent(self, _: None) -> None:
        self.stop_sent.emit()

    def _on_cancelled(self, _: None) -> None:
        self.run = None
        self.cancelled.emit()

    def _on_not_ended(self, error: Exception) -> None:
        if self.run is not None:
            self._watch(self.run, self.launcher)
        self.not_ended.emit(error)

    def _on_progressed(self, progress: RunProgress) -> None:
        self.progressed.emit(progress)
        if progress.is_running and self.is_stopping:
            self.stopping.emit()


def _resume(run: RunDirectory, current: Launcher) -> tuple[RunDirectory, Launcher]:
    launcher = launcher_for(run, current)
    launcher.resume(run)
    return run, launcher
