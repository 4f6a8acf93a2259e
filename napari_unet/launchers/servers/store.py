"""Sends files to a server's store, where their content's hash names them: once, not twice."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import posixpath
import secrets
import tarfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from importlib import resources
from pathlib import Path, PurePosixPath
from posixpath import join

from napari_unet.launchers.launcher import OnProgress, UploadProgress
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.record import RemoteRecord
from napari_unet.launchers.servers.remote_files import CHUNK, CommandError
from napari_unet.launchers.servers.working_folder import RunFolder, WorkingFolder
from training.config import TrainingConfig
from training.errors import UserError
from training.runs.run_paths import checkpoint_step

SEND_TRIES = 3
_LONGEST_SUFFIX = 16  # ".safetensors" has 12; of others the rest of a name may be one


class Store:
    """Sends files to a server's working folder.

    Parameters
    ----------
    server : Server
        The server.
    folder : WorkingFolder
        The working folder, by its absolute path there.
    on_progress : callable
        Called with a :class:`UploadProgress` as bytes go out; never for what is there already.
    """

    def __init__(self, server: Server, folder: WorkingFolder, on_progress: OnProgress) -> None:
        self.server = server
        self.folder = folder
        self._on_progress = on_progress

    @classmethod
    async def open(cls, server: Server, on_progress: OnProgress) -> Store:
        """Make the working folder if need be, and find its absolute path.

        What interrupted uploads left there more than a day ago is removed.
        """
        async with server.files() as files:
            named = WorkingFolder(server.profile.folder.removeprefix("~/"))
            for path in named.all():
                await files.make_folder(path)
            folder = WorkingFolder(await files.real_path(named.path))
        await server.run(scripts.sweep(folder))
        return cls(server, folder, on_progress)

    async def put_data(self, path: Path) -> str:
        """Send a data file unless the server has its content; its path there.

        What is called by the file's hash there may be damaged, or another's: it is hashed as well.

        Raises
        ------
        UserError
            If the file can't be read, or changes whenever it is sent.
        """
        for _ in range(SEND_TRIES):
            with _reading(path):
                digest = await asyncio.to_thread(hash_file, path)
                size = path.stat().st_size
            suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
            target = str(self.folder.store / f"{digest}{suffix}")
            if await self._has(target) and await self.server.digest(target) == digest:
                return target
            if await self._put(path.name, _chunks(path, size), size, target, digest):
                return target
        raise UserError(
            f"{path} keeps changing while it is sent to {self.server.profile.name}.",
            "Wait until the file is complete, then try again.",
        )

    async def put_source(self) -> str:
        """Send the ``training`` source, with a tifffile beside it; its folder there.

        The server needs neither internet nor rights to install anything.
        """
        archive = pack_source()
        digest = hashlib.sha256(archive).hexdigest()
        folder = str(self.folder.source / digest)
        if not await self._has(folder) or await self.server.tree_digest(folder) != _tree_digest():
            packed = str(self.folder.source / f".{digest}.tar.gz")
            await self._put("training source", _pieces(archive), len(archive), packed, digest)
            await self.server.run(scripts.unpack(packed, folder))
        return folder

    async def _has(self, path: str) -> bool:
        async with self.server.files() as files:
            return await files.exists(path)

    async def _put(
        self, what: str, chunks: Iterable[bytes], total: int, target: str, digest: str
    ) -> bool:
        """Send to a temporary name, compare the hashes, and rename.

        Returns
        -------
        bool
            Whether what was sent has that hash; it is not kept there otherwise.
        """
        temporary = unfinished_name(target)
        async with _removing(self.server, temporary):
            is_wanted = await self._send(what, chunks, total, temporary) == digest
            if is_wanted and await self.server.digest(temporary) != digest:
                raise CommandError(f"{what} was damaged on its way to {self.server.profile.name}.")
            if is_wanted:
                async with self.server.files() as files:
                    await files.rename(temporary, target)
            else:
                await self.server.run(scripts.remove(temporary))
        return is_wanted

    async def _send(self, what: str, chunks: Iterable[bytes], total: int, target: str) -> str:
        """Write to a file there; returns the SHA-256 of what was sent."""
        digest = hashlib.sha256()
        done = 0
        async with self.server.files() as files, files.create(target) as write:
            for chunk in chunks:
                await write(chunk)
                digest.update(chunk)
                done += len(chunk)
                self._on_progress(UploadProgress(what, done, total))
        return digest.hexdigest()


@contextlib.asynccontextmanager
async def _removing(server: Server, temporary: str) -> AsyncIterator[None]:
    """Remove a server's unfinished file where writing it fails or is interrupted."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(UserError):
            await server.run(scripts.remove(temporary))
        raise


def unfinished_name(path: str) -> str:
    """A new name next to a server's file for as long as that is being written."""
    folder, name = posixpath.split(path)
    return join(folder, f".{name}.{secrets.token_hex(4)}")


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in a sentence why a file of the person's can't be read."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} can't be read: {error.strerror or error}.",
            "Check that it is there, that you may read it, and that its disk works.",
        ) from error


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    """The first bytes of a file, which may be growing."""
    with _reading(path):
        file = path.open("rb")
    with file:
        while size > 0:
            with _reading(path):
                chunk = file.read(min(CHUNK, size))
            if not chunk:
                return
            yield chunk
            size -= len(chunk)


def _pieces(content: bytes) -> Iterator[bytes]:
    for begin in range(0, len(content), CHUNK):
        yield content[begin : begin + CHUNK]


def pack_source() -> bytes:
    """The ``training`` package, and tifffile below ``without-tifffile/``, as a ``.tar.gz``.

    The same source gives the same bytes, whatever its files' dates and owners.
    """
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:") as archive:
        for name, path in _source_files():
            data = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755 if path.suffix == ".sh" else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(content.getvalue(), mtime=0)


def _source_files() -> Iterator[tuple[str, Path]]:
    for package, prefix in (("training", ""), ("tifffile", "without-tifffile/")):
        with resources.as_file(resources.files(package)) as folder:
            for path in sorted(folder.rglob("*")):
                if path.suffix in (".py", ".sh", ".safetensors"):
                    yield f"{prefix}{package}/{path.relative_to(folder).as_posix()}", path


def _tree_digest() -> str:
    """The digest that :meth:`Server.tree_digest` gives of the unpacked source."""
    files = sorted((f"./{name}".encode(), path) for name, path in _source_files())
    lines = [hash_file(path).encode() + b"  " + name + b"\n" for name, path in files]
    return hashlib.sha256(b"".join(lines)).hexdigest()


async def make_run_folder(folder: RunFolder, config: TrainingConfig, record: RemoteRecord) -> None:
    """Make a new run's directory on a server, or go on with the one that was made for it already.

    That is there on a disk that nodes share, or where the start of the run was interrupted.

    Raises
    ------
    UserError
        If there is another run of that name.
    """
    server = folder.server
    is_new = await folder.claim(record.run_id, record.devices)
    if not is_new and not await folder.belongs_to(record.run_id):
        raise UserError(
            f"{server.profile.name} has a run {folder.name} already.", "Choose another name."
        )
    async with server.files() as files:
        for path in (folder.checkpoints, folder.preview):
            await files.make_folder(path)
    await folder.write(folder.config, config.to_json().encode())


async def share_checkpoint(nodes: Sequence[RunFolder]) -> None:
    """Give the first node's newest checkpoint to the others, which write none.

    All nodes must go on from the same weights, and they may have disks of their own.
    """
    if len(nodes) < 2:
        return
    first, *others = nodes
    async with first.server.files() as files:
        names = await files.list_names(first.checkpoints)
    steps = {step: name for name in names if (step := checkpoint_step(name)) is not None}
    if not steps:
        return
    newest = first.checkpoints / steps[max(steps)]
    wanted = await first.server.digest(str(newest))
    for folder in others:
        target = folder.checkpoints / newest.name
        async with folder.server.files() as files:
            is_there = await files.exists(target)  # on a disk that the nodes share, say
        if not is_there or await folder.server.digest(str(target)) != wanted:
            await _copy(first, newest, folder, str(target), wanted)


async def _copy(
    source: RunFolder, path: PurePosixPath, folder: RunFolder, target: str, wanted: str
) -> None:
    """Copy a file from one server to another; it is there whole or not at all."""
    temporary = unfinished_name(target)
    async with _removing(folder.server, temporary):
        async with (
            aclosing(source.chunks(path)) as chunks,
            folder.server.files() as files,
            files.create(temporary) as write,
        ):
            async for chunk in chunks:
                await write(chunk)
        if await folder.server.digest(temporary) != wanted:
            raise CommandError(
                f"{path.name} was damaged on its way to {folder.server.profile.name}."
            )
        async with folder.server.files() as files:
            await files.rename(temporary, target)
