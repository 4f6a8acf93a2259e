"""The places where a run can be trained: this computer, and the servers that have a profile."""

from __future__ import annotations

from pathlib import Path

from napari_unet.launchers.launcher import Launcher, OnProgress, ignore_progress
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from training.errors import UserError
from training.runs.run_directory import RunDirectory

THIS_COMPUTER = LocalLauncher.name
# Every kind of launcher. This computer, the first, has every run that no other kind has.
LAUNCHERS: list[type[Launcher]] = [LocalLauncher, RemoteLauncher, PredictionLauncher]


def list_places() -> list[str]:
    """Names of the places, this computer first; a UserError if the profiles can't be read."""
    return [place for kind in LAUNCHERS for place in kind.list_places()]


def launcher_in(
    place: str,
    runs_folder: Path,
    devices: int = 0,
    on_progress: OnProgress = ignore_progress,
    device_ids: str = "",
) -> Launcher:
    """Make a launcher for new runs in a place; see :meth:`Launcher.in_place`.

    Raises
    ------
    UserError
        If there is no such place any more.
    """
    for kind in LAUNCHERS:
        if place in kind.list_places():
            return kind.in_place(place, runs_folder, devices, on_progress, device_ids)
    raise UserError(
        f"There is no server '{place}'; places to train in: {', '.join(list_places())}.",
        "Add it: napari-unet servers add.",
    )


def launcher_for(run: RunDirectory, current: Launcher | None = None) -> Launcher:
    """Make the launcher of the place where a run is.

    Parameters
    ----------
    run : RunDirectory
        The run, or the copy of a server's.
    current : Launcher, optional
        Taken if it is of that place, because its connection is open already.
    """
    found = next(launcher for kind in reversed(LAUNCHERS) if (launcher := kind.of_run(run)))
    return current if current is not None and _is_same_place(current, found) else found


def _is_same_place(first: Launcher, second: Launcher) -> bool:
    is_alike = type(first) is type(second) and first.name == second.name
    return is_alike and first.runs_folder.absolute() == second.runs_folder.absolute()
