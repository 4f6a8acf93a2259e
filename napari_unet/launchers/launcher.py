"""Where a training runs, behind one protocol: this machine here, a server in ``servers``."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Protocol

from training.config import TrainingConfig
from training.errors import UserError
from training.runs.run_directory import RunDirectory

_NAME_PATTERN = re.compile(r"[^/\0.][^/\0]*")


class Launcher(Protocol):
    """Starts, follows and ends trainings in one place.

    A run is always told by a directory on this machine: the run's own, or a copy of a
    server's that :meth:`refresh` brings up to date. Whoever watches a run reads only that
    directory. Every method may block, so a window calls them in a thread; every method may
    raise a ``UserError``.
    """

    @property
    def name(self) -> str:
        """The place, as a person calls it."""

    @property
    def runs_folder(self) -> Path:
        """Folder on this machine in which the directories of new runs are made."""

    def list_devices(self) -> list[str]:
        """What ``TrainingConfig.device`` may be there, the best first."""

    def start(self, config: TrainingConfig, name: str) -> RunDirectory:
        """Start a new training and return at once, before its first event.

        Parameters
        ----------
        config : TrainingConfig
            Its paths are of this machine.
        name : str
            Name of the run's directory; it must be new.
        """

    def resume(self, run: RunDirectory) -> None:
        """Go on with a run that was stopped or interrupted, from its newest checkpoint."""

    def stop(self, run: RunDirectory) -> None:
        """Ask the training to end after its current step, and keep its model."""

    def cancel(self, run: RunDirectory, *, delete: bool = False) -> None:
        """End the training's processes at once; with ``delete`` remove the run, here and there."""

    def is_running(self, run: RunDirectory) -> bool:
        """Whether the training's process is alive, from its start on."""

    def refresh(self, run: RunDirectory) -> None:
        """Bring the directory on this machine up to date; called about twice a second."""


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
    """The name itself; a UserError if a directory can't be called so."""
    if not _NAME_PATTERN.fullmatch(name) or len(name.encode()) > 255:
        raise UserError(
            f"A run can't be called '{name}'.",
            "Choose a name without '/' that does not begin with a dot.",
        )
    return name
