"""Writing files as a whole: under a name is the old file or the new one, whatever happens.

A file being written lies next to its target, as ``.NAME.xxxxxxxx.part``, locked by its writer:
so leftovers of a killed process can be distinguished from what another is writing just now.

Written by hand, because no maintained library does all of that: lock, bring to the disk, rename
with the folder's rights, and tidy up after a killed process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from training.errors import OPEN_FILES_REMEDY, UserError

_SUFFIX = ".part"
_RANDOM = "?" * 8
_LONGEST_NAME = 255  # bytes, on most disks
_NEW = 0o666  # the rights of a new file, less those of the umask
_ROOM = "Make room on the disk, then try again."
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

    Raises
    ------
    UnwritableError
        If it can't be begun or finished. What writing to it raises is up to the caller.
    """
    try:
        rights = _rights(path, follow_links)
        if follow_links and path.is_symlink():
            path = Path(os.path.realpath(path))
        remove_leftovers(path.parent, path.name)
        file, temporary = _begin(path, 0o600 if is_private else _NEW if rights is None else rights)
    except OSError as error:
        raise UnwritableError(path, error) from error
    try:
        yield file
        _finish(file, temporary, path, None if is_private else rights, overwrite)
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
    wanted = glob.escape(_shorten(name)) if name else "*"
    left: list[Path] = []
    with contextlib.suppress(OSError):  # too many open files: it is tidied up another time
        left += folder.glob(f".{wanted}.{_RANDOM}{_SUFFIX}")
    for path in left:
        # Locked by its writer, renamed meanwhile, or not ours to remove: it harms nobody.
        with contextlib.suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def _begin(path: Path, rights: int) -> tuple[IO[bytes], Path]:
    """A locked temporary file next to a path, with some rights, less those of the umask."""
    while True:
        temporary = path.with_name(f".{_shorten(path.name)}.{secrets.token_hex(4)}{_SUFFIX}")
        file = _create(temporary, rights | 0o600)
        with contextlib.suppress(OSError):  # a disk without locks: nobody removes anything there
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():  # else it was taken for a leftover before it was locked
            return file, temporary
        file.close()


def _create(path: Path, rights: int) -> IO[bytes]:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return open(path, "w+b", opener=lambda name, _: os.open(name, flags, rights))


def _give_rights(file: IO[bytes], rights: int) -> None:
    """Set the rights of an open file, on disks that know any."""
    try:
        os.fchmod(file.fileno(), rights)
    except OSError as error:
        if error.errno not in _NOT_ON_THIS_DISK:
            raise


def _finish(
    file: IO[bytes], temporary: Path, path: Path, rights: int | None, overwrite: bool
) -> None:
    try:
        file.flush()
        os.fsync(file.fileno())
        if rights is not None:
            _give_rights(file, rights)
        if overwrite:
            temporary.replace(path)
        else:
            _take_free_name(temporary, path)
    except OSError as error:
        raise UnwritableError(path, error) from error


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
