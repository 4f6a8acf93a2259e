"""Writing files as a whole: under a name is the old file or the new one, whatever happens.

A file being written lies next to its target, as ``.NAME.xxxxxxxx.part``, locked by its writer:
so leftovers of a killed process can be distinguished from what another is writing just now.

Written by hand, because no maintained library does all of that: lock, bring to the disk, rename
with the folder's rights, and tidy up after a killed process.

Windows lets nobody rename or delete a file that is open. So there it is closed before it takes
its place, which waits for readers of the old one to close that; leftovers are what is old.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import glob
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

from training.errors import OPEN_FILES_REMEDY, UserError
from training.files.open_elsewhere import is_open_elsewhere, once_closed
from training.files.system_locks import lock

_SUFFIX = ".part"
_RANDOM = "?" * 8
_OLD = 60.0  # seconds; longer than any file waits to take its place
_LONGEST_NAME = 255  # bytes, on most disks
_NEW = 0o666  # the rights of a new file, less those of the umask
_ROOM = "Make room on the disk, then try again."
if sys.platform == "win32":  # says the same of what another program has open
    _RIGHTS = "Close it elsewhere, or choose a folder that you may write to."
else:
    _RIGHTS = "Choose a folder that you may write to."
_NOT_ON_THIS_DISK = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # rights, hard links
_SHORT_WRITE = 0  # NumPy gives no number where only a part could be written
_REMEDIES = {
    _SHORT_WRITE: _ROOM,
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.EEXIST: "Choose another name.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ENOTDIR: "Choose another folder: a part of the path is a file.",
    errno.EFBIG: "Choose a disk that can hold so large a file.",
    errno.EIO: "See whether the disk works, or choose a folder on another.",
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
            _REMEDIES.get(error.errno or _SHORT_WRITE, "Choose another name or folder."),
        )
        self.path = path


class SavedBesideError(UserError):
    """A result could not take its place, because another program has that open, or made it.

    Parameters
    ----------
    path : Path
        The place.
    beside : Path
        Where the result is.
    is_new : bool
        Whether the place was free when the result was begun.
    """

    def __init__(self, path: Path, beside: Path, is_new: bool = False) -> None:
        problem = (
            "was made by another program meanwhile" if is_new else "is open in another program"
        )
        super().__init__(
            f"{path} {problem}, so the result was saved as {beside.name} beside.",
            "Keep the one that you want."
            if is_new
            else "Close it there, then give the new one its name.",
        )
        self.beside = beside


def write_atomically(
    path: Path,
    content: bytes,
    *,
    overwrite: bool = True,
    follow_links: bool = False,
    is_private: bool = False,
) -> None:
    """Replace a file by another content, as a whole.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        All of its new content.
    overwrite, follow_links, is_private : bool
        As of :func:`replacing`.

    Raises
    ------
    UnwritableError
        If it can't be written; what was there is kept.
    """
    options = {"overwrite": overwrite, "follow_links": follow_links, "is_private": is_private}
    with replacing(path, **options) as file:
        try:
            file.write(content)
        except OSError as error:
            raise UnwritableError(path, error) from error


@contextmanager
def replacing(
    path: Path,
    *,
    overwrite: bool = True,
    follow_links: bool = False,
    is_private: bool = False,
    is_result: bool = False,
) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path`` at the end of the ``with`` statement.

    After an error, what was there is kept. What a killed process left of an earlier try is
    removed. The rights are those of the file that was there, or else what the umask leaves.

    Parameters
    ----------
    path : Path
        The file. What isn't a regular file is never replaced.
    overwrite : bool
        If False, a file that is there is kept, even one that another process makes meanwhile.
    follow_links : bool
        Replace what a link points to, not the link. For files that a person names; a link in a
        folder from someone else could point anywhere.
    is_private : bool
        Let nobody else read the file.
    is_result : bool
        Save it beside the file that was to be replaced, where another program has that open, or
        that another has made, where it is not to be replaced.

    Raises
    ------
    SavedBesideError
        If it was saved so.
    UnwritableError
        If it can't be begun or finished. What writing to it raises is up to the caller.
    """
    try:
        rights = _rights(path, follow_links)
        if follow_links and path.is_symlink():
            path = Path(os.path.realpath(path))
        remove_leftovers(path.parent, path.name)
        rights_there = _NEW if rights is None else rights
        file, temporary = begin_beside(path, 0o600 if is_private else rights_there)
    except OSError as error:
        raise UnwritableError(path, error) from error
    try:
        yield file
        _bring_to_disk(file, path, None if is_private else rights)
        _give_name(temporary, path, overwrite=overwrite, is_result=is_result)
    except BaseException:
        with contextlib.suppress(OSError):  # what is still in its buffer finds no room either
            file.close()
        with contextlib.suppress(OSError):  # its folder has vanished, perhaps
            temporary.unlink()
        raise
    file.close()


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Delete what killed processes left half-written in a folder: of one file, or of all.

    What another process is writing just now is left alone.
    """
    wanted = glob.escape(_shorten(name)) if name else "*"
    left: list[str] = []
    # Too many open files: it is tidied up another time.
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = (entry.name for entry in entries)
        left += fnmatch.filter(names, f".{wanted}.{_RANDOM}{_SUFFIX}")
    for found in left:
        # Locked by its writer, renamed meanwhile, or not ours to remove: it harms nobody.
        with contextlib.suppress(OSError):
            _remove_unused(folder / found)


if sys.platform == "win32":

    def _remove_unused(path: Path) -> None:
        """Delete a temporary file that nobody has open, or had just before giving it its name."""
        if time.time() - path.stat().st_mtime > _OLD:
            path.unlink()

else:

    def _remove_unused(path: Path) -> None:
        """Delete a temporary file that nobody has locked."""
        with path.open("r+b") as file:
            lock(file.fileno())
            path.unlink()


def _shorten(name: str) -> str:
    """Cut a name off where a temporary name would become too long by it."""
    room = _LONGEST_NAME - len(f"..{_RANDOM}{_SUFFIX}")
    encoded = os.fsencode(name)
    return name if len(encoded) <= room else encoded[:room].decode(errors="ignore")


def _rights(path: Path, follow_links: bool) -> int | None:
    """Return the rights of an existing file; an OSError if it isn't a regular one."""
    try:
        mode = path.stat(follow_symlinks=follow_links).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "Is a directory")
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.EINVAL, "Not a regular file")
    return None if stat.S_ISLNK(mode) else mode & 0o777


def begin_beside(path: Path, rights: int = _NEW) -> tuple[IO[bytes], Path]:
    """Open a locked temporary file next to a path, with some rights, less those of the umask.

    Raises
    ------
    OSError
    """
    while True:
        temporary = path.with_name(f".{_shorten(path.name)}.{secrets.token_hex(4)}{_SUFFIX}")
        file = _create(temporary, rights | 0o600)
        if _is_kept(file, temporary):
            return file, temporary
        file.close()


def try_to_write(path: Path) -> None:
    """Make and delete a temporary file next to a path; an OSError says why that can't be done.

    What a system says of rights may be wrong: that of Windows says nothing of folders.
    """
    file, temporary = begin_beside(path)
    file.close()
    temporary.unlink(missing_ok=True)  # who writes there too has taken it for a leftover


def _is_kept(file: IO[bytes], temporary: Path) -> bool:
    """Lock a new file; False if it was taken for a leftover before it was locked."""
    try:
        lock(file.fileno())
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks: nobody removes anything there
        pass
    return temporary.exists()


def _create(path: Path, rights: int) -> IO[bytes]:
    return open(path, "x+b", opener=lambda name, flags: os.open(name, flags, rights))


def _give_rights(file: IO[bytes], rights: int) -> None:
    """Set the rights of an open file, on systems and disks that know any."""
    if sys.platform == "win32":
        return
    try:
        os.fchmod(file.fileno(), rights)
    except OSError as error:
        if error.errno not in _NOT_ON_THIS_DISK:
            raise


def _bring_to_disk(file: IO[bytes], path: Path, rights: int | None) -> None:
    try:
        file.flush()
        os.fsync(file.fileno())
        if rights is not None:
            _give_rights(file, rights)
        if sys.platform == "win32":
            file.close()
    except OSError as error:
        raise UnwritableError(path, error) from error


def _give_name(temporary: Path, path: Path, *, overwrite: bool, is_result: bool) -> None:
    try:
        if overwrite:
            once_closed(lambda: temporary.replace(path))
        else:
            _take_free_name(temporary, path)
    except OSError as error:
        is_new = not overwrite and path.exists()
        if is_result and (is_new or is_open_elsewhere(error)):
            beside = free_name(path)
            temporary.rename(beside)
            raise SavedBesideError(path, beside, is_new) from error
        raise UnwritableError(path, error) from error


def free_name(path: Path) -> Path:
    """Find a name like that of a path which nothing has: ``mask-2.tif`` for ``mask.tif``."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(name for name in names if not name.exists())


if sys.platform == "win32":

    def _take_free_name(temporary: Path, path: Path) -> None:
        """Rename a file unless there is one of the new name."""
        temporary.rename(path)

else:

    def _take_free_name(temporary: Path, path: Path) -> None:
        """Rename a file unless there is one of the new name."""
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NOT_ON_THIS_DISK or path.exists():
                raise
            temporary.replace(path)  # a disk without hard links can't do both at once
        else:
            temporary.unlink()
