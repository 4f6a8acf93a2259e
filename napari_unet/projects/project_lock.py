"""Which window has a project open: the one that the file ``lock`` in its folder names.

It keeps a file of its own locked beside it, ``lock-`` and its key, by which others see that it is
still there. Another window takes the project over by naming itself, which needs no file that is
open: Windows replaces none. Whoever saves or takes over locks the project's document meanwhile,
so that neither happens during the other.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_unet.text import line
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_files import UnwritableError, write_atomically
from training.files.file_locks import NoLocksError, hold_lock, take_lock
from training.files.open_elsewhere import once_closed
from training.files.untrusted_files import open_regular

LOCK = "lock"
_MOST_BYTES = 4096


class Holder(BaseModel):
    """Who has a project open, as far as is known.

    Parameters
    ----------
    host : str
        Name of the machine.
    pid : int or None
        Process there.
    since : datetime or None
    key : str
        Of the file that it keeps locked.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    host: str = Field(default="", max_length=255)
    pid: int | None = Field(default=None, ge=1, lt=2**31)
    since: datetime | None = None
    key: str = Field(default="", pattern=r"^[0-9a-f]{0,32}$")

    def __str__(self) -> str:
        parts = [f"process {self.pid}"] if self.pid is not None else []
        parts += [f"on {line(self.host)}"] if self.host else []
        parts += [f"since {self.since:%d %B, %H:%M}"] if self.since else []
        return " ".join(parts) or "nothing is known of it"

    @property
    def is_here(self) -> bool:
        """Whether it is or was on this machine."""
        return self.host == socket.gethostname()

    @property
    def may_run(self) -> bool:
        """Whether its process may still run: that of another machine always may."""
        if not self.is_here or self.pid is None:
            return True
        return psutil.pid_exists(self.pid)


class ProjectInUseError(UserError):
    """Another window has the project open.

    Parameters
    ----------
    folder : Path
        The project's.
    holder : Holder
    """

    def __init__(self, folder: Path, holder: Holder) -> None:
        super().__init__(
            f"{folder} is open in another window ({holder}).", "Look only, or take it over."
        )
        self.folder, self.holder = folder, holder


class NotHeldError(UserError):
    """This window may not save: it only looks at the project, or another has taken it over.

    Parameters
    ----------
    folder : Path
        The project's.
    holder : Holder or None
        Who has it open.
    is_lost : bool
        Whether this window had it before.
    """

    def __init__(self, folder: Path, holder: Holder | None, is_lost: bool) -> None:
        other = f"another window ({holder})"
        if is_lost:
            problem = f"{folder.name} was taken over by {other if holder else 'another window'}."
            remedy = "Take it back, or save what is open here elsewhere."
        else:
            problem = f"You only look at {folder.name}."
            problem += f" It is open in {other}." if holder else ""
            remedy = "Take it over to save what you change, or save it elsewhere."
        super().__init__(problem, remedy)
        self.is_lost = is_lost


class ProjectLock:
    """Holds a project for one window, until it is released, collected, or the process ends.

    Parameters
    ----------
    document : Path
        The project's; the lock lies beside it.

    Attributes
    ----------
    has_locks : bool
        Whether the disk has locks. Where it has none, a holder is known by host and process alone.
    """

    def __init__(self, document: Path) -> None:
        self.has_locks = True
        self._document, self._path = document, document.with_name(LOCK)
        self._file: IO[bytes] | None = None
        self._key = ""
        self._is_lost = False
        self._end: weakref.finalize[..., ProjectLock] | None = None

    @property
    def is_held(self) -> bool:
        """Whether this window has the project, as far as it has noticed."""
        return self._file is not None

    def acquire(self, *, takes_over: bool = False) -> None:
        """Hold the project from now on.

        Raises
        ------
        ProjectInUseError
            If another window has it and ``takes_over`` is false.
        UserError
            If the folder can't be written, or another window saves for too long.
        """
        with hold_lock(self._document):
            holder = self._holder()
            if holder is not None and not takes_over:
                raise ProjectInUseError(self._document.parent, holder)
            self._write()

    def release(self) -> None:
        """Let others have the project."""
        file, self._file = self._file, None
        if file is not None and self._end is not None:
            self._end()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep others from taking the project over during a ``with`` statement.

        Raises
        ------
        NotHeldError
            If this window does not hold it, or has lost it.
        """
        if not self.is_held:
            raise NotHeldError(self._document.parent, self._holder(), self._is_lost)
        with hold_lock(self._document):
            if not _names(self._path, self._key):
                self._recover()
            yield

    def _recover(self) -> None:
        """Hold it still where the lock was deleted; else it is lost."""
        holder = self._holder()
        if holder is None:
            self._write()
            return
        self._is_lost = True
        self._forget()
        raise NotHeldError(self._document.parent, holder, self._is_lost)

    def _forget(self) -> None:
        """Let go of the file of one's own, which nobody looks at any more."""
        file, self._file = self._file, None
        if file is not None and self._end is not None:
            self._end.detach()
            _delete(file)

    def _holder(self) -> Holder | None:
        """Who has the project open; None if nobody has."""
        try:
            holder = _named_in(self._path)
        except PermissionError:
            return Holder()
        return holder if holder and _holds(holder, self._own_file(holder.key)) else None

    def _own_file(self, key: str) -> Path:
        return self._path.with_name(f"{LOCK}-{key}")

    def _write(self) -> None:
        """Name this window as the one that has the project, whatever is there."""
        key = secrets.token_hex(8)
        now = datetime.now(UTC).astimezone()
        me = Holder(host=socket.gethostname(), pid=os.getpid(), since=now, key=key)
        file = open_to_append(self._own_file(key))
        try:
            self.has_locks = _lock(file)
            write_atomically(self._path, me.model_dump_json().encode())
        except UnwritableError:
            _delete(file)
            raise
        self._forget()
        self._file, self._key, self._is_lost = file, key, False
        self._end = weakref.finalize(self, _let_go, file, key, self._path, self._document)
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Delete the files of windows that were killed."""
        for path in self._path.parent.glob(f"{LOCK}-*"):
            if path == self._own_file(self._key):
                continue
            with contextlib.suppress(UnwritableError, NoLocksError), open_to_append(path) as file:
                if take_lock(file, needs_locks=True):
                    _delete(file)


def _lock(file: IO[bytes]) -> bool:
    """Lock a file of one's own; False where the disk has no locks."""
    try:
        take_lock(file, needs_locks=True)
    except NoLocksError:
        return False
    return True


def _named_in(path: Path) -> Holder | None:
    """The window that a lock names; None if there is none, and a PermissionError if it is hidden.

    A link is not followed.
    """
    if path.is_symlink():
        return None
    try:
        with open_regular(path) as file:
            content = file.read(_MOST_BYTES)
    except PermissionError:
        raise
    except OSError:  # it is missing, or is not a file
        return None
    try:
        return Holder.model_validate_json(content)
    except ValidationError:
        return Holder()


def _holds(holder: Holder, own_file: Path) -> bool:
    """Whether a window that is named has the project still."""
    try:
        with open_regular(own_file) as file:
            if not take_lock(file, is_shared=True, needs_locks=True):
                return True
    except NoLocksError:
        return holder.may_run
    except PermissionError:
        return True
    except OSError:  # it has deleted its file, or had none
        pass
    # Some disks have locks that hold on one machine alone.
    return bool(holder.host) and not holder.is_here


def _let_go(file: IO[bytes], key: str, path: Path, document: Path) -> None:
    with contextlib.suppress(OSError, UserError), hold_lock(document):
        if _names(path, key):
            path.unlink()
    _delete(file)


def _names(path: Path, key: str) -> bool:
    """Whether a lock names the window with this key, as far as can be read."""
    try:
        named = _named_in(path)
    except PermissionError:
        return False
    return named is not None and named.key == key


def _delete(file: IO[bytes]) -> None:
    """Close a file and delete it, in this order for Windows."""
    file.close()
    with contextlib.suppress(OSError):
        once_closed(Path(file.name).unlink)
