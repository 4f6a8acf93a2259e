"""Which window has a project open: the one that locks the file ``lock`` in its folder.

Another window takes a project over by putting a file of its own in that place. Whoever saves or
takes over locks the project's document meanwhile, so that neither happens during the other.
"""

from __future__ import annotations

import contextlib
import os
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
    """

    model_config = ConfigDict(frozen=True, strict=True)

    host: str = Field(default="", max_length=255)
    pid: int | None = Field(default=None, ge=1, lt=2**31)
    since: datetime | None = None

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
        file = self._file
        if file is None:
            raise NotHeldError(self._document.parent, self._holder(), self._is_lost)
        with hold_lock(self._document):
            if not _is_at(file, self._path):
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
        """Close a file that is no longer the lock."""
        file, self._file = self._file, None
        if file is not None and self._end is not None:
            self._end.detach()
            file.close()

    def _holder(self) -> Holder | None:
        """Who has the project open; None if nobody has."""
        if self._path.is_symlink():
            return None
        try:
            with open_regular(self._path) as file:
                return _holder_by(file)
        except PermissionError:
            return Holder()
        except OSError:  # it is missing, or is not a file
            return None

    def _write(self) -> None:
        """Put a locked file in the lock's place, whatever is there."""
        me = Holder(
            host=socket.gethostname(), pid=os.getpid(), since=datetime.now(UTC).astimezone()
        )
        write_atomically(self._path, me.model_dump_json().encode())
        file = open_to_append(self._path)
        try:
            take_lock(file, needs_locks=True)
            self.has_locks = True
        except NoLocksError:
            self.has_locks = False
        except UnwritableError:
            file.close()
            raise
        self._forget()
        self._file, self._is_lost = file, False
        self._end = weakref.finalize(self, _let_go, file, self._path, self._document)


def _holder_by(file: IO[bytes]) -> Holder | None:
    """Who holds a project by an open lock file; None if nobody does."""
    try:
        holder = Holder.model_validate_json(file.read(_MOST_BYTES))
    except ValidationError:
        holder = Holder()
    try:
        if not take_lock(file, is_shared=True, needs_locks=True):
            return holder
    except NoLocksError:
        return holder if holder.may_run else None
    # Some disks have locks that hold on one machine alone.
    return None if holder.is_here or not holder.host else holder


def _let_go(file: IO[bytes], path: Path, document: Path) -> None:
    with file, contextlib.suppress(OSError, UserError), hold_lock(document):
        if _is_at(file, path):
            file.close()  # Windows deletes nothing that is open
            path.unlink()


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is what is under this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except OSError:
        return False
