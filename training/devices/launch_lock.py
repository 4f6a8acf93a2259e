"""The lock of a run's launcher, taken before it looks at anything that another may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.file_locks import take_lock
from training.runs.run_directory import RunDirectory


@contextmanager
def launching(run: RunDirectory, node_rank: int = 0) -> Iterator[int]:
    """Be the only launcher of a run on this node; the folders of a new run are made.

    A training takes the run's own lock seconds after a launcher looked at it. The operating system
    gives this one back however the launcher ends, and every process that it passed it on to.

    Yields
    ------
    int
        The lock's file descriptor, for a training that goes on without its launcher.

    Raises
    ------
    UserError
        If another launcher is at work, the folder holds something else, or the lock can't be
        written, because it is a link, say.
    """
    if not run.config.exists():
        run.make_folders()
    with open_to_append(run.node_launch_lock(node_rank)) as lock:
        if not take_lock(lock):
            raise UserError(f"The run {run.name} is running already.", "Follow it instead.")
        yield lock.fileno()
