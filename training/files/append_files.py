"""Opening files that grow in place: logs, events, and files that are there to be locked."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from training.files.atomic_files import UnwritableError
from training.files.untrusted_files import is_inside


def open_to_append(path: Path, folder: Path | None = None) -> IO[bytes]:
    """Open a file to append to it, to cut it off or to lock it; make it if it is missing.

    A folder from someone else may hold links to a person's own files, or pipes that nobody
    reads: links are not followed, and what is not a regular file is not opened.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path, optional
        The folder from which on no part of the path may be a link; missing folders below it are
        made. By default that of the file.

    Returns
    -------
    IO
        The file, unbuffered and in binary mode, at its end. What it holds can be read as well.

    Raises
    ------
    UnwritableError
        If it can't be opened, is a link or lies behind one, or is not a regular file.
    """
    top = folder or path.parent
    parts = path.relative_to(top).parts
    try:
        return open(path, "ab+", buffering=0, opener=lambda *_: _open_below(top, parts))
    except OSError as error:
        raise UnwritableError(path, _explain(error, path, len(parts))) from error


def append_whole(file: IO[bytes], content: bytes) -> None:
    """Write all of some bytes at the end of an open file, or none of them.

    Parameters
    ----------
    file : IO
        As :func:`open_to_append` gives it.
    content : bytes

    Raises
    ------
    OSError
        If they can't be written.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        while content:  # an unbuffered file may take a part
            content = content[file.write(content) :]
    except OSError:
        file.truncate(size)
        raise


if sys.platform == "win32":

    def _open_below(folder: Path, parts: Sequence[str]) -> int:
        """Open a file by its path below a folder, once no part of it is a link or a junction."""
        path = folder
        for part in parts:
            if path != folder:
                path.mkdir(exist_ok=True)
            path = path / part
            if path.is_symlink() or not is_inside(path, folder):
                raise OSError(errno.ELOOP, f"{part} is a link")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_BINARY | os.O_NOINHERIT
        descriptor = os.open(path, flags, 0o666)
        _check_regular(descriptor)
        return descriptor

else:
    _FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    # Without waiting: opening a pipe to write to it alone would wait for its reader.
    _FILE = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

    def _open_below(folder: Path, parts: Sequence[str]) -> int:
        """Open a file by its path below a folder, each part from the one before."""
        *parents, name = parts
        place = os.open(folder, _FOLDER)
        try:
            for parent in parents:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(parent, dir_fd=place)
                outer, place = place, os.open(parent, _FOLDER | os.O_NOFOLLOW, dir_fd=place)
                os.close(outer)
            descriptor = os.open(name, _FILE, 0o666, dir_fd=place)
        finally:
            os.close(place)
        _check_regular(descriptor)
        os.set_blocking(descriptor, True)
        return descriptor


def _check_regular(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file")


def _explain(error: OSError, path: Path, depth: int) -> OSError:
    """The error, or which part of the path is a link: the system has several errors for that."""
    for part in (path, *path.parents)[:depth]:
        if part.is_symlink():
            return OSError(errno.ELOOP, f"{part.name} is a link")
    return error
