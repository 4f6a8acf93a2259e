"""Servers: how to reach them, and trainings on them that nobody needs to watch."""

from __future__ import annotations

from pathlib import Path

from napari_unet.launching import Launcher, LocalLauncher
from napari_unet.servers.record import current_profile, is_remote, read_record
from napari_unet.servers.remote_launcher import RemoteLauncher
from training.run_directory import RunDirectory

__all__ = ["RemoteLauncher", "launcher_for"]


def launcher_for(run: RunDirectory, current: Launcher | None = None) -> Launcher:
    """The launcher of the place where a run is: this machine, or a server.

    Parameters
    ----------
    run : RunDirectory
        The run, or the copy of a server's.
    current : Launcher, optional
        Taken if it is of that place, for its connection is open already.
    """
    folder = Path(run.path).absolute().parent
    if not is_remote(run):
        return LocalLauncher(folder)
    record = read_record(run)
    profile = current_profile(record)
    if isinstance(current, RemoteLauncher) and current.profile == profile:
        return current
    return RemoteLauncher(profile, folder, record.devices)
