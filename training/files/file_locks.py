"""Locks between processes, which the operating system gives back however a process ends."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_files import UnwritableError
from training.files.system_locks import lock as lock_descriptor

PATIENCE = 10.0  # seconds
_PAUSE = 0.01  # seconds between two tries
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

_log = logging.getLogger(__name__)
_warned: set[int] = set()  # the file systems without locks that a person knows of


class NoLocksError(Exception):
    """A file lies on a file system without locks, as some network disks are."""


def take_lock(
    file: IO[bytes],
    *,
    is_shared: bool = False,
    patience: float = 0.0,
    needs_locks: bool = False,
) -> bool:
    """Lock an open file until it is closed or this process ends.

    Where the file system has no locks, nobody is kept out; the first time, a warning is logged.

    Parameters
    ----------
    file : IO
        The open file.
    is_shared : bool
        Let others have shared locks of the file at the same time.
    patience : float
        Seconds to wait for another that holds the lock.
    needs_locks : bool
        Raise an error if the file system has no locks.

    Returns
    -------
    bool
        Whether the lock is taken; False if another holds it.

    Raises
    ------
    NoLocksError
        If the file system has none, and they are needed.
    UnwritableError
        If the lock can't be taken for another reason.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            lock_descriptor(file.fileno(), is_shared=is_shared)
            return True
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                _warn_once(file)
                if needs_locks:
                    raise NoLocksError from error
                return True
            if error.errno not in _HELD:
                raise UnwritableError(Path(file.name), error) from error
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)


@contextmanager
def hold_lock(path: Path, patience: float = PATIENCE, *, is_left: bool = True) -> Iterator[None]:
    """Keep other processes and threads from changing a file that is read, changed and replaced.

    Everyone who changes it has to ask for this lock, which lies in ``.NAME.lock`` next to the
    file, because a file that is replaced can't be locked itself. Where the file system has no
    locks, nobody is kept out.

    Parameters
    ----------
    path : Path
        The file to change. It need not exist, but its folder has to.
    patience : float
        Seconds to wait for another that holds the lock.
    is_left : bool
        Whether the file of the lock stays; every holder has to say the same.

    Raises
    ------
    UserError
        If another holds it for longer, or the lock can't be written.
    """
    place = path.with_name(f".{path.name}.lock")
    try:
        with _taken(place, path, patience, is_left=is_left):
            try:
                yield
            finally:
                if not is_left:
                    _remove(place)
    finally:
        if not is_left and sys.platform == "win32":  # which removes nothing that is open
            _remove(place)


def _taken(place: Path, path: Path, patience: float, *, is_left: bool) -> IO[bytes]:
    """Open the file of a lock, and take it."""
    while True:
        lock = open_to_append(place)
        try:
            if not take_lock(lock, patience=patience):
                raise UserError(
                    f"Another program has been changing {path} for {patience:g} seconds.",
                    "End it, or try again later.",
                )
            if is_left or _is_at(lock, place):  # whoever held it has removed it, perhaps
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()


def _remove(path: Path) -> None:
    with suppress(OSError):  # another process has it open
        path.unlink()


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _warn_once(file: IO[bytes]) -> None:
    """Log a warning, the first time for a file system."""
    device = os.fstat(file.fileno()).st_dev
    if device not in _warned:
        _warned.add(device)
        _log.warning("The disk of %s has no locks: use it from one program at a time.", file.name)
