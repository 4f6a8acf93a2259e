"""The logs of a run's devices, wherever the run is."""

from __future__ import annotations

from napari_unet.launching import Launcher
from napari_unet.run_progress import read_tail
from napari_unet.servers.record import is_remote, read_record
from napari_unet.servers.remote_launcher import RemoteLauncher
from training.run_directory import RunDirectory


def count_device_logs(run: RunDirectory) -> int:
    """How many devices have a log of their own; 0 for a training that is one process here."""
    if is_remote(run):
        return read_record(run).devices
    return len(list(run.device_log(0).parent.parent.glob("device*/log.log")))


def read_device_log(run: RunDirectory, rank: int, launcher: Launcher) -> str:
    """The last lines of the log of one device, fetched if the run is on a server.

    Raises
    ------
    UserError
        If the server can't be reached, or there is no such device.
    """
    if isinstance(launcher, RemoteLauncher):
        return read_tail(launcher.fetch_device_log(run, rank))
    return read_tail(run.device_log(rank))
