"""Runs as a person sees them: a folder's list of them, and one followed while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from napari_unet.launching import Launcher, LocalLauncher
from napari_unet.servers.record import is_remote, read_record
from training.errors import UserError
from training.events import RunState, Status, fold, load_state, read_events
from training.run_directory import RunDirectory

RunStatus = Status | Literal["interrupted", "unreadable"]


def run_status(state: RunState, is_running: bool) -> RunStatus:
    """What became of a run: events alone can't tell that its process was killed."""
    if state.status in ("waiting", "running") and not is_running:
        return "interrupted"
    return state.status


def can_resume(status: RunStatus) -> bool:
    """Whether a run in this state has ended before its time."""
    return status in ("stopped", "failed", "interrupted")


@dataclass(frozen=True)
class RunSummary:
    """One row of the list of runs.

    Parameters
    ----------
    run : RunDirectory
        The run.
    status : str
        A :data:`RunStatus`.
    preset, device : str
        From its configuration.
    best_dice, best_soft_dice : float or None
        Validation means of the best evaluation.
    seconds : float or None
        From its first start to its last event.
    date : datetime
        When it was made, in local time.
    is_running : bool
        Whether its process is alive.
    problem : str
        Why it failed, or why it can't be read.
    """

    run: RunDirectory
    status: RunStatus
    preset: str
    device: str
    best_dice: float | None
    best_soft_dice: float | None
    seconds: float | None
    date: datetime
    is_running: bool
    problem: str = ""

    @property
    def has_model(self) -> bool:
        return self.run.onnx.exists()

    @property
    def can_resume(self) -> bool:
        return can_resume(self.status)


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder, newest first. A folder that does not exist has none."""
    return sorted(_summaries(folder), key=lambda summary: summary.date, reverse=True)


def summarize(run: RunDirectory) -> RunSummary:
    """One run's row; what can't be read of it is told in ``problem``."""
    state = load_state(run.events)
    date = state.started_time or run.config.stat().st_mtime
    seconds = None
    if state.started_time is not None and state.last_time is not None:
        seconds = state.last_time - state.started_time
    mean = state.best_evaluation["mean"] if state.best_evaluation else {}
    if is_remote(run):
        is_running = read_record(run).is_running
    else:
        is_running = LocalLauncher(run.path.parent).is_running(run)
    status = run_status(state, is_running)
    problem = state.failure["message"] if state.failure else ""
    preset = device = ""
    try:
        config = run.read_config()
        preset, device = config.preset, config.device
    except UserError as error:
        status, problem = "unreadable", str(error)
    return RunSummary(
        run=run,
        status=status,
        preset=preset,
        device=device,
        best_dice=mean.get("dice"),
        best_soft_dice=mean.get("soft_dice"),
        seconds=seconds,
        date=datetime.fromtimestamp(date),
        is_running=is_running,
        problem=problem,
    )


class RunFollower:
    """Reads a run's events as they come. Has no thread: its caller calls :meth:`update`.

    Parameters
    ----------
    run : RunDirectory
        The run.
    launcher : Launcher
        The place where it runs.
    """

    def __init__(self, run: RunDirectory, launcher: Launcher) -> None:
        self.run = run
        self.launcher = launcher
        self.state = RunState()
        self.is_running = True
        self._offset = 0

    def update(self) -> bool:
        """Read what is new.

        Returns
        -------
        bool
            Whether anything changed.
        """
        was_running = self.is_running
        # Asked first: a process that ends meanwhile has then told all in its events.
        self.is_running = self.launcher.is_running(self.run)
        self.launcher.refresh(self.run)
        events, self._offset = read_events(self.run.events, self._offset)
        if events:
            self.state = fold(self.state, events)
        return bool(events) or was_running != self.is_running

    @property
    def status(self) -> RunStatus:
        return run_status(self.state, self.is_running)

    @property
    def has_ended(self) -> bool:
        return not self.is_running


def _summaries(folder: Path) -> Iterator[RunSummary]:
    for config in folder.glob("*/config.json"):
        try:
            yield summarize(RunDirectory(config.parent))
        except FileNotFoundError:
            continue  # deleted while the folder was read
