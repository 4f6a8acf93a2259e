"""Keeps a run's copy on this machine up to date, from the byte where it stopped."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from napari_unet.launchers.servers.record import add_hash, read_record
from napari_unet.launchers.servers.remote_files import CommandError, RemoteFiles
from napari_unet.launchers.servers.store import hash_file
from napari_unet.launchers.servers.working_folder import RunFolder
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_files import UnwritableError, replacing, write_atomically
from training.files.file_locks import take_lock
from training.files.untrusted_files import is_inside
from training.runs.event_reading import (
    LONGEST_LINE,
    complete_length,
    parse_summary,
    read_pieces,
)
from training.runs.run_directory import RunDirectory

FETCH_TRIES = 5
# SFTP gives times in whole seconds: a file may change again and look as it did.
SETTLING_SECONDS = 2.0
# Compared with the server's file, whose content may begin again under the same name.
OVERLAP = 4096
LOCK_SECONDS = 60
MOST_PREVIEW = 64 * 2**20
# What copying leaves free of a disk, or a twentieth of a small one.
ROOM = 100 * 2**20
# Between fetches of a best model that may improve again: that of medical has 124 MB.
GROWING_SECONDS = 60.0
ENDINGS = ("finished", "stopped", "failed")


class _DamagedError(Exception):
    """A file did not arrive as it is on the server."""


class Mirror:
    """One run on a server and its copy here.

    Parameters
    ----------
    run : RunDirectory
        The copy.
    folder : RunFolder
        Its directory on the server: the first node's, of several.
    """

    def __init__(self, run: RunDirectory, folder: RunFolder) -> None:
        run.check_links()
        self.run = run
        self.folder = folder
        self.server = folder.server
        self._sighted: dict[tuple[str, int | None, int | None], float] = {}
        self._settled: set[tuple[str, int | None, int | None]] = set()
        self._copied: set[tuple[str, int | None, int | None]] = set()
        self._events_read = self._events_inode = 0
        self._best_due = 0.0
        run.remove_leftovers()
        self.has_ending = False  # whether the last event copied says that the run ended

    async def copy_events(self) -> None:
        """Append the server's new events and log to the copy, and fetch new previews.

        Only finished lines are copied, because a resumed training cuts off an unfinished one.
        """
        with self._held() as is_mine:
            if not is_mine:
                return  # another window or command is copying them just now
            async with self._files() as files:
                await self._append(files, self.run.log)
                await self._append(files, self.run.events, only_lines=True)
                await self._look_at_events(files)

    async def copy_device_log(self, rank: int) -> Path:
        """Bring the log of one device up to date; its path here."""
        return await self.copy_log(self.run.device_log(rank))

    async def copy_log(self, log: Path) -> Path:
        """Bring a log of the run up to date, and give its path here back."""
        async with self._alone(), self._files() as files:
            await self._append(files, log)
        return log

    async def fetch_results(self, *, is_growing: bool = False) -> None:
        """Fetch the best model and the figures, where they have changed.

        Parameters
        ----------
        is_growing : bool
            The training goes on: the model is fetched once a minute at most.

        Raises
        ------
        CommandError
            If a file does not arrive as it is on the server, in several tries.
        """
        run = self.run
        for path in (run.evaluation_json, run.evaluation_csv):
            await self.fetch_file(path)
        if is_growing and time.monotonic() < self._best_due:
            return
        await self.fetch_file(run.best)
        if run.best.exists():
            self._best_due = time.monotonic() + GROWING_SECONDS

    async def fetch_file(self, path: Path) -> None:
        """Fetch a file of the run where it has changed, if the server has it.

        Raises
        ------
        CommandError
            As :meth:`fetch_results`.
        """
        name, there = self.run.relative(path), self._there(path)
        for _ in range(FETCH_TRIES):
            async with self._files() as files:
                if not await files.exists(there):
                    return
                attributes = await files.stat(there)
            state = (name, attributes.size, attributes.mtime)
            now = time.monotonic()
            first_sight = self._sighted.setdefault(state, now)
            if state in self._settled:
                return
            await self._check_owner()
            wanted = await self.server.digest(str(there), is_patient=True)
            if (path.exists() and hash_file(path) == wanted) or await self._fetch(
                path, attributes.size or 0, wanted
            ):
                if now - first_sight > SETTLING_SECONDS:
                    self._settled.add(state)
                add_hash(self.run, name, wanted)
                return
        raise CommandError(
            f"{name} keeps changing or is damaged on its way from {self.server.profile.name}.",
            "Fetch it again later: napari-unet fetch.",
        )

    async def _fetch(self, path: Path, size: int, wanted: str) -> bool:
        """Fetch a file; it takes its place only if its hash is the wanted one."""
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            with replacing(path) as file:
                async with self._files() as files:
                    source = files.chunks(self._there(path), 0, size)
                    async with aclosing(source) as chunks:
                        async for chunk in chunks:
                            _write(path, file, chunk)
                            digest.update(chunk)
                if digest.hexdigest() != wanted:
                    raise _DamagedError
        except _DamagedError:
            return False
        return True

    async def _append(self, files: RemoteFiles, path: Path, *, only_lines: bool = False) -> None:
        """Append what the server's file has beyond the copy, which begins again if that did."""
        source = self._there(path)
        if not await files.exists(source):
            return
        attributes = await files.stat(source)
        state = (str(source), attributes.size, attributes.mtime)
        if state in self._copied:
            return
        size = attributes.size or 0
        with open_to_append(path, self.run.path) as copy:
            does_continue = await self._continues(files, source, size, path, copy)
            is_empty = os.fstat(copy.fileno()).st_size == 0
        if size and (is_empty or not does_continue):
            await self._check_owner()
        if not does_continue:
            write_atomically(path, b"")  # another file, by which its readers know
        pending = bytearray()  # a line that has not ended yet
        with open_to_append(path, self.run.path) as copy:
            begin = os.fstat(copy.fileno()).st_size
            async with aclosing(files.chunks(source, begin, size)) as chunks:
                async for chunk in chunks:
                    whole = complete_length(chunk) if only_lines else len(chunk)
                    if whole:
                        _write(path, copy, bytes(pending) + chunk[:whole])
                        pending.clear()
                    pending += chunk[whole:]
                    if len(pending) > LONGEST_LINE:
                        raise CommandError(
                            f"{source} on {self.server.profile.name} has a line of more than "
                            f"{LONGEST_LINE >> 20} MiB.",
                            "The run can't be followed beyond it.",
                        )
        now = time.monotonic()
        if now - self._sighted.setdefault(state, now) > SETTLING_SECONDS:
            self._copied.add(state)

    async def _continues(
        self, files: RemoteFiles, source: PurePosixPath, size: int, path: Path, copy: IO[bytes]
    ) -> bool:
        """Whether the server's file is still the one whose first bytes were copied."""
        length = os.fstat(copy.fileno()).st_size
        if size < length:
            return False
        for place in {0, max(0, length - OVERLAP)} if length else ():
            with _writing(path):
                copy.seek(place)
                known = copy.read(OVERLAP)
            found = [chunk async for chunk in files.chunks(source, place, place + len(known))]
            if b"".join(found) != known:
                return False
        return True

    async def _look_at_events(self, files: RemoteFiles) -> None:
        """Fetch the previews that new events name, and note whether they end the run."""
        inode = self.run.events.stat().st_ino if self.run.events.exists() else 0
        is_first_look = self._events_inode == 0
        if inode != self._events_inode:
            self._events_inode, self._events_read, self.has_ending = inode, 0, False
        refusal: CommandError | None = None
        for piece in read_pieces(self.run.events, self._events_read):
            for event in parse_summary(piece.content):
                self.has_ending = event["kind"] in ENDINGS
                if event["kind"] == "preview":
                    try:
                        await self._fetch_preview(files, event["path"], is_first_look)
                    except CommandError as error:  # the others are fetched all the same
                        refusal = error
            self._events_read = piece.end
        if refusal is not None:
            raise refusal

    async def _fetch_preview(self, files: RemoteFiles, name: str, is_first_look: bool) -> None:
        path = self.run.path / name
        if is_first_look and path.exists():
            return
        source = self._there(path)
        if is_inside(path, self.run.path) and await files.exists(source):
            with _writing(path):
                path.parent.mkdir(exist_ok=True)
            content = await files.read(source, MOST_PREVIEW)
            _keep_room(path, len(content))
            await asyncio.to_thread(write_atomically, path, content)

    async def _check_owner(self) -> None:
        """Refuse to take what is another run's: it may have got the folder of one that was deleted.

        Raises
        ------
        UserError
        """
        owner = await self.folder.find_owner()
        if owner not in ("", read_record(self.run).run_id):
            raise UserError(
                f"{self.folder.path} on {self.server.profile.name} is another run's now.",
                "What was fetched of this run stays as it is. The other one is brought home by "
                "napari-unet fetch --remote, in another folder.",
            )

    def _there(self, path: Path) -> PurePosixPath:
        """The file on the server that a file of the copy is of."""
        return self.folder.path / self.run.relative(path)

    @asynccontextmanager
    async def _files(self) -> AsyncIterator[RemoteFiles]:
        async with self.server.files(is_patient=True) as files:
            yield files

    @contextmanager
    def _held(self) -> Iterator[bool]:
        """Keep others on this machine from appending to the copy at the same time."""
        with open_to_append(self.run.mirror_lock) as lock:
            yield take_lock(lock)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Wait until no other on this machine appends to the copy, and keep them from it."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            with self._held() as is_mine:
                if is_mine:
                    yield
                    return
            if time.monotonic() > deadline:
                raise UserError(
                    f"{self.run.path} is being brought up to date by another command.",
                    "Wait until that one is through.",
                )
            await asyncio.sleep(0.1)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in a sentence why a file of the copy can't be written."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(path, error) from error


def _write(path: Path, file: IO[bytes], content: bytes) -> None:
    """Write to a file that becomes ``path``, as long as that leaves some room on the disk."""
    _keep_room(path, len(content))
    with _writing(path):
        while content:  # an unbuffered file may take a part
            content = content[file.write(content) :]


def _keep_room(path: Path, size: int) -> None:
    with _writing(path):
        disk = shutil.disk_usage(path.parent)
        if disk.free - size < min(ROOM, disk.total // 20):
            raise OSError(errno.ENOSPC, "the disk is nearly full")
