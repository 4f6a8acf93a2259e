"""Writing folders as a whole: a name has the old content or the new one, as far as a disk can.

A folder being written lies next to its target, as ``.NAME.xxxxxxxx.part``, locked by its writer,
as a file of :mod:`~training.files.atomic_files` does.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.files.atomic_files import UnwritableError

_SUFFIX = ".part"


@contextmanager
def replacing_folder(path: Path, container: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``path`` at the end of the ``with`` statement.

    After an error, what was there is kept. What killed processes left of earlier tries is removed.

    Parameters
    ----------
    path : Path
        The folder; whatever is there is replaced.
    container : Path, optional
        The folder that ``path`` lies in and that nothing half-written may be found in: the new
        one is written next to that.

    Yields
    ------
    Path

    Raises
    ------
    UnwritableError
        If it can't be made or renamed. What writing into it raises is up to the caller.
    """
    beside = container or path
    temporary = beside.with_name(f".{beside.name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        _remove_leftovers(beside)
        temporary.mkdir()
        lock = os.open(temporary, os.O_RDONLY)
    except OSError as error:
        raise UnwritableError(path, error) from error
    try:
        with suppress(OSError):  # a disk without locks: nobody removes anything there
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield temporary
        _exchange(temporary, path, beside)
    finally:
        os.close(lock)
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path, beside: Path) -> None:
    """Rename a folder; no system call that Python has replaces a full one at once."""
    old = beside.with_name(f".{beside.name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            new.rename(path)
            return
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
    except OSError as error:
        raise UnwritableError(path, error) from error
    shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(path: Path) -> None:
    """Delete what killed processes left half-written of a folder; what is locked is left alone."""
    start = f".{path.name}."
    for left in path.parent.iterdir():
        if not (left.name.startswith(start) and left.name.endswith(_SUFFIX) and left.is_dir()):
            continue
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
