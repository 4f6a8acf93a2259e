"""The launcher that trains on this machine, in a process that outlives the window."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from napari_unet.launchers.launcher import OnProgress, Standing, check_run_name, ignore_progress
from napari_unet.training_python.choice import TrainingPython, find_training_python
from training.config import TrainingConfig
from training.dataset.found_meanings import FoundMeaning, write_meanings
from training.devices.cann import with_cann
from training.devices.launch_lock import launching
from training.devices.npus import find_npus
from training.devices.run_processes import DETACHED, passed_on
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.open_elsewhere import remove_folder
from training.runs.process_record import is_alive
from training.runs.run_directory import RunDirectory

_NICENESS = 10
# What this program started, by the run's path: a training records itself only a second after.
_started: dict[Path, psutil.Process] = {}
_starting = threading.Lock()  # held from before a run counts as running until it is there


def start_detached(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> psutil.Process:
    """Start a process of its own, at lower priority, that outlives this one and its terminal.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    log : Path
        File that the process's output is appended to.
    environment : mapping of str to str, optional
        Instead of this process' own.
    descriptors : sequence of int
        Open files that it keeps open, and their locks with them.

    Raises
    ------
    UnwritableError
        If the log can't be written.
    """
    with open_to_append(log) as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=DETACHED,
            env=environment,
            pass_fds=descriptors,
        )
    started = psutil.Process(process.pid)
    _lower_priority(started)
    threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()
    return started


def _lower_priority(process: psutil.Process) -> None:
    """Have the window go first; what the process starts inherits it."""
    with suppress(psutil.Error):  # it has ended, or the system forbids it
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(min(process.nice() + _NICENESS, 19))


def kill_tree(process: psutil.Process, patience: float = 5.0) -> None:
    """End a process and its descendants at once, in whatever sessions they are.

    Parameters
    ----------
    process : psutil.Process
        The root.
    patience : float
        Seconds to wait for them to be gone.
    """
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=patience)


class LocalLauncher:
    """Trains on this machine, in a process that outlives the one that started it.

    Parameters
    ----------
    runs_folder : Path
        Folder that new runs are made in.
    """

    name = "This computer"

    def __init__(self, runs_folder: Path) -> None:
        self.runs_folder = runs_folder

    @classmethod
    def list_places(cls) -> list[str]:
        return [cls.name]

    @classmethod
    def in_place(
        cls,
        place: str,
        runs_folder: Path,
        devices: int = 0,
        on_progress: OnProgress = ignore_progress,
        device_ids: str = "",
    ) -> Self:
        _refuse_devices(devices, device_ids)
        return cls(runs_folder)

    @classmethod
    def of_run(cls, run: RunDirectory) -> Self:
        return cls(run.path.absolute().parent)

    def list_devices(self) -> list[str]:
        return [*(f"ascend:{npu.id}" for npu in find_npus() if npu.can_train), "cpu"]

    def start(
        self, config: TrainingConfig, name: str, known: Sequence[FoundMeaning] = ()
    ) -> RunDirectory:
        run = RunDirectory(self.runs_folder.absolute() / check_run_name(name))
        python = find_training_python()
        run.create(config)
        write_meanings(run.label_meanings, known)
        _start_training(run, python)
        return run

    def resume(self, run: RunDirectory, devices: int = 0, device_ids: str = "") -> None:
        _refuse_devices(devices, device_ids)
        run.read_config()
        run.check_links()
        if self.is_running(run):
            raise UserError(f"The run {run.name} is running already.", "Follow it instead.")
        python = find_training_python()
        run.stop_request.unlink(missing_ok=True)
        _start_training(run, python)

    def stop(self, run: RunDirectory) -> None:
        if self.is_running(run):
            run.request_stop()

    def cancel(self, run: RunDirectory, *, delete: bool = False) -> None:
        run.read_config()
        with _starting:
            process = _find_training(run)
        if process is not None and process.pid != os.getpid():
            kill_tree(process)
        if run.is_running():
            raise UserError(
                f"The run {run.name} was started elsewhere and is still running.",
                "Stop it where it was started.",
            )
        if delete:
            remove_folder(run.path)

    def is_running(self, run: RunDirectory) -> bool:
        return run.is_running() or _find_training(run) is not None

    def standing(self, run: RunDirectory) -> Standing:
        return Standing()

    def refresh(self, run: RunDirectory) -> None:
        """Nothing to do: the directory is the run's own."""

    def fetch(self, run: RunDirectory) -> dict[str, str]:
        raise UserError(f"{run.path} is a run of this machine.", "It is here already.")

    def count_device_logs(self, run: RunDirectory) -> int:
        return len(list(run.logs.glob("device*/log.log")))

    def fetch_device_log(self, run: RunDirectory, rank: int) -> Path:
        return run.device_log(rank)

    def close(self) -> None:
        """Nothing to do: there is no connection."""


def _refuse_devices(devices: int, device_ids: str) -> None:
    if devices or device_ids:
        raise UserError(
            f"{'--devices' if devices else '--device-ids'} is for a server.",
            "Name it with --remote, or use python -m training.launch_8p on this machine.",
        )


def _start_training(run: RunDirectory, python: TrainingPython) -> None:
    command = python.command("training.train", "--run_dir", str(run.path))
    environment = python.environment(with_cann(os.environ, run.read_config().device))
    with _starting, launching(run) as lock:
        process = start_detached(command, run.log, environment, passed_on(lock))
        _started[run.path.absolute()] = process


def _find_training(run: RunDirectory) -> psutil.Process | None:
    """The process that trains a run, or that this program has just started to do so."""
    started = _started.get(run.path.absolute())
    is_there = started is not None and is_alive(started)
    return run.find_training() or (started if is_there else None)
