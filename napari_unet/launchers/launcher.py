"""Where a training runs, behind one protocol: this machine here, a server in ``servers``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from training.config import TrainingConfig
from training.dataset.found_meanings import FoundMeaning
from training.errors import UserError
from training.files.names import is_name
from training.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class UploadProgress:
    """How far an upload is: of what, and how many bytes of how many."""

    what: str
    done: int
    total: int


OnProgress = Callable[[UploadProgress], None]


def ignore_progress(progress: UploadProgress) -> None:
    """Show nothing of an upload."""


@dataclass(frozen=True)
class Standing:
    """Where a run stands in the queue of its place, in a sentence; empty where there is none."""

    text: str = ""
    is_waiting: bool = False


class Launcher(Protocol):
    """Starts, follows and ends trainings in one place.

    A run is always given by a directory on this machine: the run's own, or a copy of a
    server's that :meth:`refresh` brings up to date. Whoever watches a run reads only that
    directory. Every method may block, so a window calls them in a thread; every method may
    raise a ``UserError``.
    """

    @classmethod
    def list_places(cls) -> list[str]:
        """Name the places of this kind that new runs can be started in."""

    @classmethod
    def in_place(
        cls,
        place: str,
        runs_folder: Path,
        devices: int = 0,
        on_progress: OnProgress = ignore_progress,
        device_ids: str = "",
    ) -> Self:
        """Make the launcher of a place, for new runs.

        Parameters
        ----------
        place : str
            One of :meth:`list_places`.
        runs_folder : Path
            Folder on this machine for the runs' directories.
        devices : int
            How many devices a new run takes; 0: as many as is usual there.
        on_progress : callable
            Called while data is uploaded, in another thread.
        device_ids : str
            Which NPUs a new run takes, such as "4,5"; empty: the first free ones.
        """

    @classmethod
    def of_run(cls, run: RunDirectory) -> Self | None:
        """Make the launcher of the place where a run is; None if it is not of this kind."""

    @property
    def name(self) -> str:
        """The place, as a person calls it."""

    @property
    def runs_folder(self) -> Path:
        """Folder on this machine in which the directories of new runs are made."""

    def list_devices(self) -> list[str]:
        """What ``TrainingConfig.device`` may be there, the best first."""

    def start(
        self, config: TrainingConfig, name: str, known: Sequence[FoundMeaning] = ()
    ) -> RunDirectory:
        """Start a new training and return at once, before its first event.

        Parameters
        ----------
        config : TrainingConfig
            Its paths are of this machine.
        name : str
            Name of the run's directory; it must be new.
        known : sequence of FoundMeaning
            What its labels mean, which a training with these very files need not find out again.

        Raises
        ------
        UserError
            If it isn't, or the training can't be started there.
        """

    def resume(self, run: RunDirectory, devices: int = 0, device_ids: str = "") -> None:
        """Go on with a run that was stopped or interrupted, from its newest checkpoint.

        With ``devices`` or ``device_ids`` it goes on on others.

        Raises
        ------
        UserError
            If it is running already, or the place can't do so.
        """

    def stop(self, run: RunDirectory) -> None:
        """Ask the training to end after its current step, and keep its model."""

    def cancel(self, run: RunDirectory, *, delete: bool = False) -> None:
        """End the training's processes at once; with ``delete`` remove the run, here and there.

        Raises
        ------
        UserError
            If a process is left; the directory on this machine is kept then.
        """

    def is_running(self, run: RunDirectory) -> bool:
        """Whether the training's process is alive, from its start on."""

    def standing(self, run: RunDirectory) -> Standing:
        """Where it stands in a queue, as :meth:`refresh` last saw it."""

    def refresh(self, run: RunDirectory) -> None:
        """Bring the directory on this machine up to date; called about twice a second."""

    def fetch(self, run: RunDirectory) -> dict[str, str]:
        """Bring all that there is here, and wait for it; SHA-256 of files by their name.

        Raises
        ------
        UserError
            If a file can't be brought, or the run is of this machine.
        """

    def count_device_logs(self, run: RunDirectory) -> int:
        """Count the devices that have a log of their own; 0 where one process trains."""

    def fetch_device_log(self, run: RunDirectory, rank: int) -> Path:
        """Bring the log of one device, of ``rank`` from 0, up to date; its path on this machine.

        Raises
        ------
        UserError
            If the run has no such device, or the log can't be brought.
        """

    def close(self) -> None:
        """Let go of connections. The runs go on."""


def new_run_name(config: TrainingConfig, runs_folder: Path, moment: datetime) -> str:
    """A name that says what and when, and that no run in the folder has."""
    name = f"{config.preset}-{moment:%Y-%m-%d-%H%M%S}"
    taken = {path.name for path in runs_folder.glob(f"{name}*")}
    counter = 2
    candidate = name
    while candidate in taken:
        candidate = f"{name}-{counter}"
        counter += 1
    return candidate


def check_run_name(name: str) -> str:
    """Give back a name for the directory of a run.

    Raises
    ------
    UserError
        If a directory can't be called so.
    """
    if not is_name(name):
        raise UserError(
            f"A run can't be called {name!r:.99}.",
            "Choose a name that every system can have: without '/', '\\' and ':', with no dot at "
            "its begin or end, and not that of a device, such as CON.",
        )
    return name
