"""A server's files. Every request has a time limit, and every answer a size limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from training.errors import UserError
from training.files.untrusted_files import MOST_BYTES

if TYPE_CHECKING:
    import asyncssh

REQUEST_SECONDS = 60  # a server that answers keepalives alone has a disk that hangs
TREE_SECONDS = 600
CHUNK = 2**19  # bytes of a request, that a slow line carries within its time
MOST_NAMES = 100_000
_HEAD = 2**16

RemotePath = str | PurePosixPath
Result = TypeVar("Result")
Write = Callable[[bytes], Awaitable[None]]


class CommandError(UserError):
    """A command on the server, or a request for a file there, failed."""


class FileThere(NamedTuple):
    """A name in a folder of a server, and whether it is a folder itself."""

    name: str
    is_folder: bool


class FilesThere(NamedTuple):
    """Names in a folder of a server, and whether there are more."""

    files: tuple[FileThere, ...]
    is_cut: bool


class RemoteFiles:
    """The files of one server.

    Every method raises a ``TimeoutError`` when a request makes no progress for
    ``REQUEST_SECONDS``, and asyncssh's errors; ``Server.files`` turns both into sentences.

    Parameters
    ----------
    sftp : asyncssh.SFTPClient
        The open session.
    place : str
        The server's name, for messages.
    """

    def __init__(self, sftp: asyncssh.SFTPClient, place: str) -> None:
        self._sftp = sftp
        self._place = place

    def close(self) -> None:
        """End the session; the connection stays."""
        self._sftp.exit()

    async def exists(self, path: RemotePath) -> bool:
        """Whether there is a file or folder of that name."""
        return bool(await _wait_at_most(self._sftp.exists(path)))

    async def stat(self, path: RemotePath) -> asyncssh.SFTPAttrs:
        """Size, times and type of a file."""
        return await _wait_at_most(self._sftp.stat(path))

    async def list_names(self, folder: RemotePath) -> list[str]:
        """List the names in a folder, without ``.`` and ``..``.

        Raises
        ------
        CommandError
            If there are more than ``MOST_NAMES``.
        """
        names: list[str] = []
        async with asyncio.timeout(REQUEST_SECONDS):
            async for entry in self._sftp.scandir(folder):
                names.append(str(entry.filename))
                if len(names) > MOST_NAMES:
                    raise CommandError(
                        f"{folder} on {self._place} has more than {MOST_NAMES} files.",
                        "Choose another working folder.",
                    )
        return [name for name in names if name not in (".", "..")]

    async def list_folder(self, folder: RemotePath, most: int) -> FilesThere:
        """List the first files and folders of a folder, with all links to them followed."""
        import asyncssh

        found: list[FileThere] = []
        async with asyncio.timeout(REQUEST_SECONDS):
            async for entry in self._sftp.scandir(folder):
                name, kind = str(entry.filename), entry.attrs.type
                if name in (".", ".."):
                    continue
                if len(found) == most:
                    return FilesThere(tuple(found), is_cut=True)
                if kind == asyncssh.FILEXFER_TYPE_SYMLINK:
                    is_folder = await self._sftp.isdir(f"{folder}/{name}")
                else:
                    is_folder = kind == asyncssh.FILEXFER_TYPE_DIRECTORY
                found.append(FileThere(name, is_folder))
        return FilesThere(tuple(found), is_cut=False)

    async def real_path(self, path: RemotePath) -> str:
        """The absolute path, with all links followed."""
        return str(await _wait_at_most(self._sftp.realpath(path)))

    async def make_folder(self, path: RemotePath) -> None:
        """Make a folder, and those around it, unless it is there; new ones are this account's."""
        import asyncssh

        attributes = asyncssh.SFTPAttrs(permissions=0o700)
        await _wait_at_most(self._sftp.makedirs(path, attributes, exist_ok=True))

    async def claim_folder(self, path: RemotePath) -> bool:
        """Make a folder of this account, unless it is there: whether it was made."""
        import asyncssh

        try:
            await _wait_at_most(self._sftp.mkdir(path, asyncssh.SFTPAttrs(permissions=0o700)))
        except asyncssh.SFTPError:  # of any kind, by the server's version
            if not await self.exists(path):
                raise
            return False
        return True

    async def rename(self, path: RemotePath, target: RemotePath) -> None:
        """Give a file another name, that of a file which is there perhaps."""
        await _wait_at_most(self._sftp.posix_rename(path, target))

    async def remove_tree(self, folder: RemotePath) -> None:
        """Remove a folder with all that is in it."""
        await _wait_at_most(self._sftp.rmtree(folder), TREE_SECONDS)

    async def read(self, path: RemotePath, most_bytes: int = MOST_BYTES) -> bytes:
        """The content of a file as large as it is now; empty if it is missing.

        Raises
        ------
        CommandError
            If it is larger than ``most_bytes``.
        """
        if not await self.exists(path):
            return b""
        size = (await self.stat(path)).size or 0
        if size > most_bytes:
            raise CommandError(
                f"{path} on {self._place} is larger than {most_bytes >> 20} MiB, so it is not read."
            )
        return b"".join([chunk async for chunk in self.chunks(path, 0, size)])

    async def read_ends(self, path: RemotePath, most_bytes: int) -> bytes:
        """Read a file of lines; only the first and the last lines of a larger one.

        Returns
        -------
        bytes
            ``most_bytes`` at most; empty if there is no file.
        """
        if not await self.exists(path):
            return b""
        size = (await self.stat(path)).size or 0
        if size <= most_bytes:
            return b"".join([chunk async for chunk in self.chunks(path, 0, size)])
        begin = size - most_bytes + _HEAD
        head = b"".join([chunk async for chunk in self.chunks(path, 0, _HEAD)])
        tail = b"".join([chunk async for chunk in self.chunks(path, begin, size)])
        return head[: head.rfind(b"\n") + 1] + tail[tail.find(b"\n") + 1 :]

    async def chunks(self, path: RemotePath, begin: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes of a file from one offset to another, or to its end if that comes first."""
        async with self._open(path, "rb") as file:
            while begin < end:
                size = min(CHUNK, end - begin)
                chunk = bytes(await _wait_at_most(file.read(size, begin)))[:size]
                if not chunk:
                    return
                yield chunk
                begin += len(chunk)

    @asynccontextmanager
    async def create(self, path: RemotePath) -> AsyncIterator[Write]:
        """A new file, or one whose content is replaced; what to write its bytes with."""
        async with self._open(path, "wb") as file:

            async def write(content: bytes) -> None:
                await _wait_at_most(file.write(content))

            yield write

    @asynccontextmanager
    async def _open(self, path: RemotePath, mode: str) -> AsyncIterator[Any]:
        file: Any = await _wait_at_most(self._sftp.open(path, mode, encoding=None))
        try:
            yield file
        except (TimeoutError, asyncio.CancelledError):
            raise  # the server would be waited for once more
        except BaseException:
            await _wait_at_most(file.close())
            raise
        await _wait_at_most(file.close())


async def _wait_at_most(request: Awaitable[Result], seconds: float = 0) -> Result:
    async with asyncio.timeout(seconds or REQUEST_SECONDS):
        return await request
