"""Writing files as a whole: under a name is the old file or the new one, whatever happens.

A file being written lies next to its target, as ``.NAME.xxxxxxxx.part``, locked by its writer:
so leftovers of a killed process can be distinguished from what another is writing just now.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from training.errors import OPEN_FILES_REMEDY, UserError

_SUFFIX = ".part"
_RANDOM = "?" * 8  # of tempfile's names
_ROOM = "Make room on the disk, then try again."
_RIGHTS = "Choose a folder that you may write to."
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.ENOENT: "See that its folder is there.",
    errno.EMFILE: OPEN_FILES_REMEDY,
    errno.ELOOP: "Replace the link with what it points to.",
    errno.EINVAL: "Remove what is there, or choose another name.",
    errno.EISDIR: "Remove what is there, or choose another name.",
}


class UnwritableError(UserError):
    """A file can't be written: no room, no permission, no folder, too many open files.

    Parameters
    ----------
    path : Path
        The file.
    error : OSError
        What the system said.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path} can't be written: {error.strerror or error}.",
            _REMEDIES.get(
                error.errno or 0,
                "Make room on the disk, or choose a folder that you may write to.",
            ),
        )
        self.path = path


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by another content, as a whole.

    Raises
    ------
    UnwritableError
        If it can't be written; what was there is kept.
    """
    with replacing(path) as file:
        try:
            file.write(content)
        except OSError as error:
            raise UnwritableError(path, error) from error


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path`` at the end of the ``with`` statement.

    After an error, what was there is kept. What a killed process left of an earlier try is
    removed.

    Raises
    ------
    UnwritableError
        If it can't be begun or finished. What writing to it raises is up to the caller.
    """
    try:
        remove_leftovers(path.parent, path.name)
        file, temporary = _begin(path)
    except OSError as error:
        raise UnwritableError(path, error) from error
    try:
        yield file
        _finish(file, temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # its folder has vanished, perhaps
            temporary.unlink()
        with contextlib.suppress(OSError):  # what is still in its buffer finds no room either
            file.close()
        raise
    file.close()


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Delete what killed processes left half-written in a folder: of one file, or of all.

    What another process is writing just now is left alone.
    """
    wanted = glob.escape(name) if name else "*"
    left: list[Path] = []
    with contextlib.suppress(OSError):  # too many open files: it is tidied up another time
        left += folder.glob(f".{wanted}.{_RANDOM}{_SUFFIX}")
    for path in left:
        # Locked by its writer, renamed meanwhile, or not ours to remove: it harms nobody.
        with contextlib.suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _begin(path: Path) -> tuple[IO[bytes], Path]:
    """A locked temporary file next to a path."""
    while True:
        descriptor, name = tempfile.mkstemp(_SUFFIX, f".{path.name}.", path.parent)
        os.close(descriptor)
        temporary = Path(name)
        file = temporary.open("w+b")
        with contextlib.suppress(OSError):  # a disk without locks: nobody removes anything there
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():  # else it was taken for a leftover before it was locked
            return file, temporary
        file.close()


def _finish(file: IO[bytes], temporary: Path, path: Path) -> None:
    try:
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
        temporary.replace(path)
    except OSError as error:
        raise UnwritableError(path, error) from error
