"""The places where a run can be trained: this computer, and the servers that have a profile."""

from __future__ import annotations

from pathlib import Path

from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.launchers.servers.profiles import find_profile, load_profiles
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.launchers.servers.store import OnProgress

THIS_COMPUTER = LocalLauncher.name


def list_places() -> list[str]:
    """Names of the places, this computer first; a UserError if the profiles can't be read."""
    return [THIS_COMPUTER, *load_profiles()]


def launcher_in(place: str, runs_folder: Path, on_progress: OnProgress) -> Launcher:
    """A launcher for new runs in a place.

    Parameters
    ----------
    place : str
        One of :func:`list_places`.
    runs_folder : Path
        Folder on this computer for the directories of its runs.
    on_progress : callable
        Called with the :class:`Progress` of an upload to a server, from another thread.

    Raises
    ------
    UserError
        If there is no such place any more.
    """
    if place == THIS_COMPUTER:
        return LocalLauncher(runs_folder)
    return RemoteLauncher(find_profile(place), runs_folder, on_progress=on_progress)
