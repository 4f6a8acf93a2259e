from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from napari_unet.launchers.launcher import UploadProgress
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import begin, wait_for
from napari_unet.launchers.servers.store import Store, share_checkpoint
from napari_unet.launchers.servers.working_folder import RunFolder
from tests.napari_unet.launchers.servers.loopback.hostile_server import HostileServer, printing
from training.errors import UserError

WAITING = """
import asyncio, signal, sys, threading
from napari_unet.launchers.servers.event_loop import wait_for

async def work():
    print("waiting", flush=True)
    if "unseen" in sys.argv:  # as one that comes before the waiting thread falls asleep
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        print("tidied up", flush=True)
        raise

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    wait_for(work())
except KeyboardInterrupt:
    print("interrupted")
"""


def no_progress(progress: UploadProgress) -> None:
    pass


def open_store(hostile: HostileServer, on_progress: Any = no_progress) -> Store:
    return wait_for(Store.open(Server(hostile.profile()), on_progress))


def test_a_file_that_changes_while_it_is_sent_is_sent_again(
    hostile: HostileServer, tmp_path: Path
) -> None:
    data = tmp_path / "stack.tif"
    data.write_bytes(b"old" * 2**19)

    def change(progress: UploadProgress) -> None:
        if data.read_bytes()[:3] == b"old":
            data.write_bytes(b"new" * 2**19)

    there = Path(wait_for(open_store(hostile, change).put_data(data)))
    assert there.read_bytes() == data.read_bytes()
    assert there.name == hashlib.sha256(b"new" * 2**19).hexdigest() + ".tif"
    assert [path.name for path in there.parent.iterdir()] == [there.name]


def test_a_file_that_never_rests_is_a_sentence(hostile: HostileServer, tmp_path: Path) -> None:
    data = tmp_path / "stack.tif"
    data.write_bytes(b"x" * 2**20)

    def change(progress: UploadProgress) -> None:
        data.write_bytes(os.urandom(2**20))

    with pytest.raises(UserError, match=r"stack\.tif keeps changing"):
        wait_for(open_store(hostile, change).put_data(data))
    assert list((hostile.work / "store").iterdir()) == []


def test_an_interrupted_upload_leaves_nothing(hostile: HostileServer, tmp_path: Path) -> None:
    data = tmp_path / "stack.tif"
    data.write_bytes(bytes(2**22))

    store = open_store(hostile, lambda progress: uploads[0].cancel())

    async def upload() -> None:
        uploads.append(asyncio.current_task())
        with contextlib.suppress(asyncio.CancelledError):
            await store.put_data(data)

    uploads: list[Any] = []
    begin(upload()).result()
    assert list((hostile.work / "store").iterdir()) == []


@pytest.mark.parametrize("given", [[], ["unseen"]], ids=["asleep", "falling asleep"])
def test_a_wait_that_is_interrupted_ends_when_all_is_tidied_up(given: list[str]) -> None:
    """In a process of its own: the tests' has libraries with handlers of signals."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, *given], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        if not given:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
            assert process.stdout.read() == "tidied up\ninterrupted\n"
        finally:
            process.kill()


def test_what_is_damaged_on_its_way_is_not_kept(hostile: HostileServer, tmp_path: Path) -> None:
    class Damaging(asyncssh.SFTPServer):
        def write(self, file: object, offset: int, data: bytes) -> int:
            super().write(file, offset, b"?" * len(data))
            return len(data)

    data = tmp_path / "stack.tif"
    data.write_bytes(b"content")
    hostile.files = Damaging
    with pytest.raises(UserError, match="was damaged on its way"):
        wait_for(open_store(hostile).put_data(data))
    assert list((hostile.work / "store").iterdir()) == []


def test_leftovers_are_swept_after_a_day_and_nothing_else(hostile: HostileServer) -> None:
    folders = [hostile.work / name for name in ("store", "source", "runs/run/checkpoints")]
    for folder in folders:
        folder.mkdir(parents=True)
        for name in (".old", ".young", "data.part-12345678"):
            (folder / name).write_bytes(b"x")
            if name != ".young":
                os.utime(folder / name, (time.time() - 90_000,) * 2)
    open_store(hostile)
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {".young", "data.part-12345678"}


def test_a_new_working_folder_is_for_its_owner_alone(hostile: HostileServer) -> None:
    open_store(hostile)
    assert hostile.work.stat().st_mode & 0o777 == 0o700


def test_a_digest_that_is_none_is_a_sentence(hostile: HostileServer, tmp_path: Path) -> None:
    data = tmp_path / "stack.tif"
    data.write_bytes(b"content")
    hostile.answer = printing(b"\x1b[31mabc\n", "cut -c 1-64")
    with pytest.raises(UserError, match="makes no sense"):
        wait_for(open_store(hostile).put_data(data))


def test_a_damaged_file_under_a_hash_is_sent_again(hostile: HostileServer, tmp_path: Path) -> None:
    data = tmp_path / "stack.tif"
    data.write_bytes(b"content")
    store = open_store(hostile)
    there = Path(wait_for(store.put_data(data)))
    there.write_bytes(b"another")
    assert wait_for(store.put_data(data)) == str(there)
    assert there.read_bytes() == b"content"


@pytest.mark.parametrize("name", ["training/train.py", "sitecustomize.py"])
def test_a_damaged_source_is_sent_again(hostile: HostileServer, name: str) -> None:
    """Python would run what lies there: a changed module, or one beside ours."""
    store = open_store(hostile)
    source = Path(wait_for(store.put_source()))
    (source / "training" / "__pycache__").mkdir()
    (source / "training" / "__pycache__" / "train.cpython-311.pyc").touch()
    before = source.stat().st_ino
    assert wait_for(store.put_source()) == str(source)
    assert source.stat().st_ino == before
    (source / name).write_text("stolen = True")
    assert wait_for(store.put_source()) == str(source)
    assert "stolen" not in "".join(path.read_text() for path in source.rglob("*.py"))


@pytest.mark.parametrize("damages", [False, True])
def test_a_checkpoint_is_copied_to_the_other_nodes_whole_or_not_at_all(
    hostile: HostileServer, damages: bool
) -> None:
    class Damaging(asyncssh.SFTPServer):
        def write(self, file: object, offset: int, data: bytes) -> int:
            super().write(file, offset, b"?" * len(data))
            return len(data)

    name = "ckpt_compact_adam-1_3.safetensors"
    server = Server(hostile.profile())
    nodes = [RunFolder(server, hostile.work / "runs" / node) for node in ("first", "second")]
    first, second = (Path(node.checkpoints) for node in nodes)
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    (first / name).write_bytes(b"newest")
    (second / name).write_bytes(b"half")  # as an earlier start may have left it
    if damages:
        hostile.files = Damaging
        with pytest.raises(UserError, match="was damaged on its way"):
            wait_for(share_checkpoint(nodes))
    else:
        wait_for(share_checkpoint(nodes))
    assert [path.name for path in second.iterdir()] == [name]
    assert (second / name).read_bytes() == (b"half" if damages else b"newest")
