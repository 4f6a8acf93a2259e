"""The launcher of the place where a run is: this machine, or a server."""

from __future__ import annotations

from pathlib import Path

from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.launchers.servers.profiles import find_same
from napari_unet.launchers.servers.record import is_remote, read_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from training.files.untrusted_files import read_tail
from training.runs.run_directory import RunDirectory


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
    profile = find_same(record.profile) or record.profile  # a stranger's can only be read
    if isinstance(current, RemoteLauncher) and current.profile == profile:
        return current
    return RemoteLauncher(profile, folder, record.devices)
