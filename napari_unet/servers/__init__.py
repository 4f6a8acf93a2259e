"""Servers: how to reach them, and trainings on them that nobody needs to watch."""

from __future__ import annotations

from pathlib import Path

from napari_unet.launching import Launcher, LocalLauncher
from napari_unet.servers.record import current_profile, is_remote, read_record
from napari_unet.servers.remote_launcher import RemoteLauncher
from training.run_directory import RunDirectory

__all__ = ["RemoteLauncher", "launcher_for"]


def launcher_for(run: RunDirectory) -> Launcher:
    """The launcher of the place where a run is: this machine, or a server."""
    folder = Path(run.path).absolute().parent
    if not is_remote(run):
        return LocalLauncher(folder)
    record = read_record(run)
    return RemoteLauncher(current_profile(record), folder, record.devices)
