"""Runs as a person sees them: a folder's list of them, and one followed while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from napari_unet.launchers.servers.predictions.record import resume_problem
from napari_unet.runs.run_titles import moment_text, read_title
from napari_unet.runs.training_places import launcher_for
from training.config import TrainingConfig
from training.errors import UserError
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, RunStatus, can_resume, read_summary, run_status


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
    title : str
        What a person calls it.
    progress : str
        Slices of a prediction that are done, of how many: "12/30"; else empty.
    is_prediction : bool
        Whether it is a prediction on a server, and no training.
    has_results : bool
        Whether results of a prediction are here that can be shown.
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
    title: str = ""
    progress: str = ""
    is_prediction: bool = False
    has_results: bool = False

    @property
    def moment(self) -> str:
        """When it was started, in short."""
        return moment_text(self.date, datetime.now())

    @property
    def has_model(self) -> bool:
        return self.run.has_model

    @property
    def resume_problem(self) -> str:
        """Why it is not resumed, in a sentence; empty where it can be."""
        status = "running" if self.is_running else self.status
        if self.is_prediction:
            return resume_problem(status)
        return "" if can_resume(self.status) else f"It is {status}."


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder, newest first. A folder that does not exist has none.

    What was read is kept: to list a folder again costs only what is new in it.
    """
    with _listing:
        return sorted(_summaries(folder), key=lambda summary: summary.date, reverse=True)


def summarize(run: RunDirectory) -> RunSummary:
    """One run's row; ``problem`` says what of it can't be read."""
    return _RunReader(run).summarize()


class _RunReader:
    """Summarizes a run again and again."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._state = RunState()
        self._offset = 0
        self._config: TrainingConfig | UserError | None = None
        self._config_seen: _FileMark | None = None
        self._events_seen: _FileMark | None = None

    def summarize(self) -> RunSummary:
        run = self._run
        config_mark = _mark(run.config)
        if config_mark is None:
            raise FileNotFoundError(run.config)
        self._read_config(config_mark)
        unreadable = self._config if isinstance(self._config, UserError) else None
        is_running = False
        try:
            self._read_events()
            is_running = launcher_for(run).is_running(run)
        except UserError as error:
            unreadable = unreadable or error
        state, config = self._state, self._config
        status, problem = run_status(state, is_running), ""
        if unreadable is not None:
            status, problem = "unreadable", str(unreadable)
        elif state.failure is not None:
            problem = state.failure["message"]
        seconds = None
        if state.started_time is not None and state.last_time is not None:
            seconds = state.last_time - state.started_time
        mean = state.best_evaluation["mean"] if state.best_evaluation else {}
        return RunSummary(
            run=run,
            status=status,
            preset=config.preset if isinstance(config, TrainingConfig) else "",
            device=config.device if isinstance(config, TrainingConfig) else "",
            best_dice=mean.get("dice"),
            best_soft_dice=mean.get("soft_dice"),
            seconds=seconds,
            date=datetime.fromtimestamp(state.started_time or config_mark.seconds),
            is_running=is_running,
            problem=problem,
            title=self._read_title(),
        )

    def _read_title(self) -> str:
        config = self._config if isinstance(self._config, TrainingConfig) else None
        return read_title(self._run, config)

    def _read_config(self, mark: _FileMark) -> None:
        if mark == self._config_seen:
            return
        self._config_seen = mark
        try:
            self._config = self._run.read_config()
        except UserError as error:
            self._config = error

    def _read_events(self) -> None:
        """What is new; all of it if the file is another one than before."""
        mark = _mark(self._run.events)
        if mark == self._events_seen:
            return
        before, self._events_seen = self._events_seen, mark
        if before is None or mark is None or before.inode != mark.inode or mark.size < before.size:
            self._state, self._offset = RunState(), 0
        events = self._run.events
        self._state, self._offset = read_summary(events, self._state, self._offset)


class _FileMark(NamedTuple):
    """Says whether a file is the same as before."""

    inode: int
    size: int
    nanoseconds: int

    @property
    def seconds(self) -> float:
        return self.nanoseconds / 1e9


_listing = Lock()  # several docks list the same folder, each in a thread
_readers: dict[Path, _RunReader] = {}  # of the folder listed last


def _summaries(folder: Path) -> Iterator[RunSummary]:
    paths = [config.parent for config in folder.glob("*/config.json")]
    for gone in _readers.keys() - set(paths):
        del _readers[gone]
    for path in paths:
        reader = _readers.setdefault(path, _RunReader(RunDirectory(path)))
        try:
            yield reader.summarize()
        except FileNotFoundError:
            continue  # deleted while the folder was read


def _mark(path: Path) -> _FileMark | None:
    try:
        status = path.stat()
    except OSError:  # it is missing, or can't be reached
        return None
    return _FileMark(status.st_ino, status.st_size, status.st_mtime_ns)
