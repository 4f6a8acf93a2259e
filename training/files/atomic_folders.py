"""Writing folders as a whole: a name has the old content or the new one, as far as a disk can.

A folder being written lies next to its target, as ``.NAME.xxxxxxxx.new.part``. Its writer has
locked the file ``.NAME.xxxxxxxx.part`` beside, because Windows can't lock a folder.
"""

from __future__ import annotations

import glob
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from training.files.atomic_files import (
    SavedBesideError,
    UnwritableError,
    begin_beside,
    free_name,
)
from training.files.open_elsewhere import is_open_elsewhere, once_closed
from training.files.system_locks import lock


@contextmanager
def replacing_folder(
    path: Path, container: Path | None = None, *, overwrite: bool = True
) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``path`` at the end of the ``with`` statement.

    After an error, what was there is kept. What killed processes left of earlier tries is removed.

    Parameters
    ----------
    path : Path
        The folder.
    container : Path, optional
        The folder that ``path`` lies in and that nothing half-written may be found in: the new
        one is written next to that.
    overwrite : bool
        Replace whatever is there; else it is kept, even if another process makes it meanwhile.

    Yields
    ------
    Path

    Raises
    ------
    SavedBesideError
        If it was saved beside, because another program has files of the old one open, or has made
        what is to be kept.
    UnwritableError
        If it can't be made or renamed. What writing into it raises is up to the caller.
    """
    with _marked(path, container) as (new, old):
        try:
            new.mkdir()
        except OSError as error:
            raise UnwritableError(path, error) from error
        yield new
        _exchange(new, path, old, overwrite)


def copy_folder(source: Path, path: Path, left_out: str) -> None:
    """Copy a folder of files: whatever has the name until then keeps it until the copy is whole.

    Parameters
    ----------
    source : Path
    path : Path
        As of :func:`replacing_folder`.
    left_out : str
        A pattern of names that are not copied, at any depth.

    Raises
    ------
    SavedBesideError, UnwritableError
        As :func:`replacing_folder`.
    OSError
        If a file can't be read or written.
    """
    with replacing_folder(path) as new:
        shutil.copytree(source, new, ignore=shutil.ignore_patterns(left_out), dirs_exist_ok=True)


def discard_folder(path: Path) -> None:
    """Delete a folder: nobody finds a part of it under its name, even after a kill.

    What killed processes left of earlier tries is removed. It need not be there.

    Raises
    ------
    UnwritableError
        If it can't be renamed.
    """
    with _marked(path, None) as (new, _):
        try:
            if path.exists():
                once_closed(lambda: path.rename(new))
        except OSError as error:
            raise UnwritableError(path, error) from error


def move_folder(
    folder: Path, path: Path, container: Path | None = None, *, overwrite: bool = True
) -> None:
    """Give a whole folder another name.

    Parameters
    ----------
    folder : Path
        The folder, on the same disk.
    path, container, overwrite
        As of :func:`replacing_folder`.

    Raises
    ------
    SavedBesideError or UnwritableError
        As :func:`replacing_folder`.
    """
    with _marked(path, container) as (_, old):
        _exchange(folder, path, old, overwrite)


@contextmanager
def _marked(path: Path, container: Path | None) -> Iterator[tuple[Path, Path]]:
    """Say by a locked file that a folder is replaced; gives the names of the new and the old one.

    The new one is deleted at the end, if it still has that name.
    """
    beside = container or path
    try:
        _remove_leftovers(beside)
        file, mark = begin_beside(beside)
    except OSError as error:
        raise UnwritableError(path, error) from error
    new, old = _parts(mark)
    try:
        yield new, old
    finally:
        _remove(file, mark, [new])


def _parts(mark: Path) -> tuple[Path, Path]:
    """Name the folders of a locked file: the new one, and the one that it replaces."""
    new, old = (mark.with_name(f"{mark.stem}.{kind}{mark.suffix}") for kind in ("new", "old"))
    return new, old


def _exchange(new: Path, path: Path, old: Path, overwrite: bool) -> None:
    """Rename a folder; no system call that Python has replaces a full one at once."""
    try:
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            new.rename(path)
            return
        if not overwrite:
            beside = free_name(path)
            new.rename(beside)
            raise SavedBesideError(path, beside, is_new=True)
        once_closed(lambda: path.rename(old))
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
    except OSError as error:
        if is_open_elsewhere(error):
            beside = free_name(path)
            new.rename(beside)
            raise SavedBesideError(path, beside) from error
        raise UnwritableError(path, error) from error
    shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(path: Path) -> None:
    """Delete what killed processes left half-written of a folder; what is locked is left alone."""
    for mark in path.parent.glob(f".{glob.escape(path.name)}.{'?' * 8}.part"):
        with suppress(OSError):
            file = mark.open("r+b")
            try:
                lock(file.fileno())
            except OSError:
                file.close()
            else:
                _remove(file, mark, _parts(mark))


def _remove(file: IO[bytes], mark: Path, folders: Sequence[Path]) -> None:
    """Delete folders of a locked file, and the file."""
    for part in folders:
        shutil.rmtree(part, ignore_errors=True)
    with file, suppress(OSError):
        if sys.platform == "win32":
            file.close()
        mark.unlink()
