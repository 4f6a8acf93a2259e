"""Slices that the processes of several devices predict, each its share, given in order.

They need nothing of each other, so no collective communication is set up: each leaves its slices
in a folder, and whoever waits for them takes them from there. None runs far ahead of that one: the
folder holds a few slices of each.
"""

from __future__ import annotations

import io
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.devices.failures import explain_workers
from training.devices.msrun_job import MsrunJob
from training.devices.msrun_process import MsrunProcess
from training.devices.run_processes import (
    RUN_MARK,
    kill_at_end,
    kill_processes,
    launch_mark,
)
from training.files.atomic_files import write_atomically

POLL_SECONDS = 0.05
MOST_WAITING = 16  # slices of a process that nobody has taken yet


def leave_slice(folder: Path, index: int, probability: NDArray[np.float32], processes: int) -> None:
    """Leave the probability of a slice, float32 from 0 to 1, for :func:`share_slices`.

    It is (Y, X), or of classes (C, Y, X).

    Waits as long as too many that this process has left are still there; of so many processes,
    each leaves every so many slices.

    Raises
    ------
    UserError
        If it can't be written.
    """
    former = _part(folder, index - MOST_WAITING * processes)
    while former.exists():
        time.sleep(POLL_SECONDS)
    content = io.BytesIO()
    np.save(content, probability)
    write_atomically(_part(folder, index), content.getvalue())


def share_slices(
    job: MsrunJob, program: Sequence[str], indices: range, folder: Path
) -> Iterator[NDArray[np.float32]]:
    """Run a program on the devices of a job, and give the slices that it leaves.

    Parameters
    ----------
    job : MsrunJob
        On this machine alone.
    program : sequence of str
        A module to run, and its arguments.
    indices : range
        The slices that there will be.
    folder : Path
        An empty one, where the program calls :func:`leave_slice`.

    Yields
    ------
    array (Y, X) of float32; of classes (C, Y, X)
        In the order of the slices. No process is left when the last one has been taken, or when
        this generator is closed.

    Raises
    ------
    UserError
        If a process ends before its slices are there; it says why.
    """
    logs = folder / "logs"
    logs.mkdir()
    job.check_port()
    mark = launch_mark(os.environ.get(RUN_MARK) or uuid.uuid4().hex)
    with kill_at_end(mark):
        process = MsrunProcess(job, program, logs, mark, is_tailing=False, is_quiet=True)
        try:
            for index in indices:
                part = _part(folder, index)
                while not part.exists():
                    # What was left meanwhile counts, however the processes ended.
                    if process.has_ended() and not part.exists():
                        raise explain_workers(logs)
                    time.sleep(POLL_SECONDS)
                yield np.load(part)
                part.unlink()
        finally:
            if not kill_processes(mark):
                process.wait()


def _part(folder: Path, index: int) -> Path:
    return folder / f"{index}.npy"
