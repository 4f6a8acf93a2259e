"""Keeps a run's copy on this machine up to date, from the byte where it stopped."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from posixpath import join
from typing import IO, Any

from napari_unet.launchers.servers.connection import CommandError, Server
from napari_unet.launchers.servers.record import read_record, update_record
from napari_unet.launchers.servers.store import CHUNK, hash_file
from training.files.append_files import open_to_append
from training.files.atomic_files import UnwritableError, replacing, write_atomically
from training.files.file_locks import NoLocksError, take_lock
from training.files.untrusted_files import is_inside
from training.runs.event_reading import complete_length, read_pieces
from training.runs.run_directory import RunDirectory

FETCH_TRIES = 5
# SFTP tells times in whole seconds: a file may change again and look as it did.
SETTLING_SECONDS = 2.0
ENDINGS = ("finished", "stopped", "failed")


class _DamagedError(Exception):
    """A file did not arrive as it is on the server."""


class Mirror:
    """One run on a server and its copy here.

    Parameters
    ----------
    run : RunDirectory
        The copy.
    server : Server
        The one whose directory is copied: the first node.
    path : str
        The run's directory there.
    """

    def __init__(self, run: RunDirectory, server: Server, path: str) -> None:
        run.check_links()
        self.run = run
        self.server = server
        self.path = path
        self._sighted: dict[tuple[str, int | None, int | None], float] = {}
        self._settled: set[tuple[str, int | None, int | None]] = set()
        self._events_read = 0
        run.remove_leftovers()
        self.has_ending = False  # whether the last event copied says that the run ended

    async def copy_events(self) -> None:
        """Append the server's new events and log to the copy, and fetch new previews.

        Only finished lines are copied, since a resumed training cuts off an unfinished one.
        """
        with self._held() as is_mine:
            if not is_mine:
                return  # another window or command is copying them just now
            async with self._files() as sftp:
                await self._append(sftp, self.run.log)
                await self._append(sftp, self.run.events, only_lines=True)
                await self._look_at_events(sftp)

    async def copy_device_log(self, rank: int) -> Path:
        """Bring the log of one device up to date; its path here."""
        log = self.run.device_log(rank)
        async with self._files() as sftp:
            await self._append(sftp, log)
        return log

    async def fetch_results(self) -> None:
        """Fetch the best model and the figures, where they have changed.

        Raises
        ------
        CommandError
            If a file does not arrive as it is on the server, in several tries.
        """
        run = self.run
        for path in (run.evaluation_json, run.evaluation_csv, run.best):
            await self._fetch_if_changed(path)

    async def _fetch_if_changed(self, path: Path) -> None:
        name = self._name(path)
        for _ in range(FETCH_TRIES):
            async with self._files() as sftp:
                if not await sftp.exists(join(self.path, name)):
                    return
                attributes = await sftp.stat(join(self.path, name))
            state = (name, attributes.size, attributes.mtime)
            now = time.monotonic()
            first_sight = self._sighted.setdefault(state, now)
            if state in self._settled:
                return
            wanted = await self.server.digest(join(self.path, name), is_patient=True)
            if (path.exists() and hash_file(path) == wanted) or await self._fetch(path, wanted):
                if now - first_sight > SETTLING_SECONDS:
                    self._settled.add(state)
                hashes = read_record(self.run).hashes
                update_record(self.run, hashes={**hashes, name: wanted})
                return
        raise CommandError(
            f"{name} keeps changing or is damaged on its way from {self.server.profile.name}.",
            "Fetch it again later: napari-unet fetch.",
        )

    async def _fetch(self, path: Path, wanted: str) -> bool:
        """Fetch a file; it takes its place only if its hash is the wanted one."""
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            with replacing(path) as file:
                async for chunk in self._read(self._name(path)):
                    with _writing(path):
                        file.write(chunk)
                    digest.update(chunk)
                if digest.hexdigest() != wanted:
                    raise _DamagedError
        except _DamagedError:
            return False
        return True

    async def _read(self, name: str) -> AsyncIterator[bytes]:
        async with (
            self._files() as sftp,
            sftp.open(join(self.path, name), "rb", encoding=None) as file,
        ):
            while chunk := await file.read(CHUNK):
                yield chunk

    async def _append(self, sftp: Any, path: Path, *, only_lines: bool = False) -> None:
        """Append what the server's file has beyond the copy; a shorter file is begun anew."""
        source = join(self.path, self._name(path))
        if not await sftp.exists(source):
            return
        size = (await sftp.stat(source)).size
        with open_to_append(path, self.run.path) as copy:
            if size < copy.tell():
                with _writing(path):
                    copy.truncate(0)
            offset = os.fstat(copy.fileno()).st_size
            async with sftp.open(source, "rb", encoding=None) as file:
                while chunk := await file.read(CHUNK, offset):
                    whole = complete_length(chunk) if only_lines else len(chunk)
                    with _writing(path):
                        written = copy.write(chunk[:whole])
                    offset += written
                    if written == 0:
                        break

    async def _look_at_events(self, sftp: Any) -> None:
        """Fetch the previews that new events tell of, and note whether they end the run."""
        is_first_look = self._events_read == 0
        for events, offset in read_pieces(self.run.events, self._events_read, "last"):
            self._events_read = offset
            for event in events:
                self.has_ending = event["kind"] in ENDINGS
                if event["kind"] == "preview":
                    await self._fetch_preview(sftp, event["path"], is_first_look)

    async def _fetch_preview(self, sftp: Any, name: str, is_first_look: bool) -> None:
        path = self.run.path / name
        if is_first_look and path.exists():
            return
        source = join(self.path, name)
        if is_inside(path, self.run.path) and await sftp.exists(source):
            with _writing(path):
                path.parent.mkdir(exist_ok=True)
            async with sftp.open(source, "rb", encoding=None) as file:
                content = await file.read()
            await asyncio.to_thread(write_atomically, path, content)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.run.path).as_posix()

    @asynccontextmanager
    async def _files(self) -> AsyncIterator[Any]:
        async with self.server.files(is_patient=True) as sftp:
            yield sftp

    @contextmanager
    def _held(self) -> Iterator[bool]:
        """Keep others on this machine from appending to the copy at the same time."""
        with open_to_append(self.run.mirror_lock) as lock:
            yield _try_lock(lock)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in a sentence why a file of the copy can't be written."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(path, error) from error


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        return take_lock(lock)
    except NoLocksError:
        return True
