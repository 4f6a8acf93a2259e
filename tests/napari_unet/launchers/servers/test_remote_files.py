from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from napari_unet.launchers.servers import remote_files
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.remote_files import CommandError
from tests.napari_unet.launchers.servers.loopback.hostile_server import HostileServer


class Hanging(asyncssh.SFTPServer):
    """A disk that hangs: the connection lives, but requests have no answer until the end."""

    is_over: asyncio.Event

    async def stat(self, path: bytes) -> Any:
        await self.is_over.wait()
        return super().stat(path)

    async def read(self, file: object, offset: int, size: int) -> Any:
        await self.is_over.wait()
        return b""

    async def close(self, file: object) -> Any:
        await self.is_over.wait()
        return super().close(file)


class Endless(asyncssh.SFTPServer):
    """Files that go on beyond the size that they have."""

    def read(self, file: object, offset: int, size: int) -> bytes:
        return b"x" * size


async def read(server: Server, path: Path, most_bytes: int) -> bytes:
    async with server.files() as files:
        return await files.read(str(path), most_bytes)


async def read_ends(server: Server, path: Path, most_bytes: int) -> bytes:
    async with server.files() as files:
        return await files.read_ends(str(path), most_bytes)


async def read_from(server: Server, path: Path) -> bytes:
    async with server.files() as files:
        return b"".join([chunk async for chunk in files.chunks(str(path), 0, 100)])


async def release(event: asyncio.Event) -> None:
    event.set()


@pytest.mark.parametrize("reading", [read_from, lambda server, path: read(server, path, 100)])
def test_a_disk_that_hangs_is_given_up(
    reading: Any, hostile: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "REQUEST_SECONDS", 0.3)
    path = tmp_path / "file"
    path.write_bytes(b"content")
    Hanging.is_over = asyncio.Event()
    hostile.files = Hanging
    server = Server(hostile.profile())
    with pytest.raises(ConnectionLostError, match="did not answer in time"):
        wait_for(asyncio.wait_for(reading(server, path), 30))
    hostile.files = asyncssh.SFTPServer
    assert wait_for(read(server, path, 100)) == b"content"  # over a new connection
    wait_for(server.close())
    wait_for(release(Hanging.is_over))


def test_files_end_at_the_size_that_they_have(hostile: HostileServer, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    hostile.files = Endless
    server = Server(hostile.profile())
    assert wait_for(read(server, path, 100)) == b"xxxxxxx"
    with pytest.raises(CommandError, match="larger than 0 MiB"):
        wait_for(read(server, path, 6))
    assert wait_for(read(server, tmp_path / "missing", 6)) == b""
    wait_for(server.close())


def test_the_ends_of_a_large_file_are_whole_lines(hostile: HostileServer, tmp_path: Path) -> None:
    lines = [b"line %d\n" % number for number in range(100_000)]
    path = tmp_path / "file"
    path.write_bytes(b"".join(lines))
    server = Server(hostile.profile())
    ends = wait_for(read_ends(server, path, 2**17)).splitlines(keepends=True)
    assert (ends[0], ends[-1]) == (lines[0], lines[-1])
    assert set(ends) < set(lines) and sum(map(len, ends)) <= 2**17
    assert wait_for(read_ends(server, path, 2**21)) == path.read_bytes()
    wait_for(server.close())


def test_a_folder_without_end_is_a_sentence(
    hostile: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crowded(asyncssh.SFTPServer):
        async def scandir(self, path: bytes) -> Any:
            while True:
                yield asyncssh.SFTPName(b"name", attrs=asyncssh.SFTPAttrs())

    monkeypatch.setattr(remote_files, "MOST_NAMES", 1000)
    hostile.files = Crowded
    server = Server(hostile.profile())

    async def list_names() -> list[str]:
        async with server.files() as files:
            return await files.list_names(str(tmp_path))

    with pytest.raises(CommandError, match="more than 1000 files"):
        wait_for(asyncio.wait_for(list_names(), 30))
    wait_for(server.close())
