from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import napari_unet.launchers.servers.mirror as mirror_module
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.mirror import MOST_PREVIEW, Mirror
from napari_unet.launchers.servers.record import RemoteRecord, write_record
from napari_unet.launchers.servers.remote_files import CommandError
from napari_unet.launchers.servers.working_folder import RunFolder
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.errors import UserError
from training.runs.run_directory import RunDirectory


def lines_of(word: str, count: int) -> str:
    return "".join(f"{word} {number}\n" for number in range(count))


@pytest.fixture
def there(sshd: Sshd) -> RunDirectory:
    """The run on the server."""
    run = RunDirectory(sshd.work / "runs" / "run")
    run.device_log(0).parent.mkdir(parents=True)
    run.preview.mkdir()
    return run


@pytest.fixture
def run(sshd: Sshd, there: RunDirectory, tmp_path: Path) -> RunDirectory:
    """Its copy."""
    run = RunDirectory(tmp_path / "copies" / "run")
    run.path.mkdir(parents=True)
    paths = (str(there.path),)
    record = RemoteRecord(profile=sshd.profile(), run_id="id", devices=1, paths=paths)
    write_record(run, record)
    return run


@pytest.fixture
def mirror(sshd: Sshd, there: RunDirectory, run: RunDirectory) -> Mirror:
    return Mirror(run, RunFolder(Server(sshd.profile()), str(there.path)))


def test_a_line_of_some_mebibytes_is_copied(
    mirror: Mirror, there: RunDirectory, run: RunDirectory
) -> None:
    long = json.dumps({"kind": "warning", "time": 1.0, "message": "x" * 3 * 2**20})
    there.events.write_text(f"{long}\n{long}\n{long[:-9]}")
    wait_for(mirror.copy_events())
    assert run.events.read_text() == f"{long}\n{long}\n"
    there.events.write_text(f"{long}\n{long}\n{long}\n")
    wait_for(mirror.copy_events())
    assert run.events.read_bytes() == there.events.read_bytes()


@pytest.mark.parametrize("more", [-5, 0, 5, 5000])
def test_a_file_that_begins_again_is_copied_from_its_begin(
    mirror: Mirror, there: RunDirectory, run: RunDirectory, more: int
) -> None:
    there.events.write_text(lines_of("old", 2000))
    there.device_log(0).write_text("the same first line\n" + lines_of("old", 2000))
    wait_for(mirror.copy_events())
    wait_for(mirror.copy_device_log(0))
    there.events.write_text(lines_of("new", 2000 + more))
    there.device_log(0).write_text("the same first line\n" + lines_of("new", 2000 + more))
    wait_for(mirror.copy_events())
    wait_for(mirror.copy_device_log(0))
    assert run.events.read_bytes() == there.events.read_bytes()
    assert run.device_log(0).read_bytes() == there.device_log(0).read_bytes()


def test_nothing_comes_of_another_run_that_got_the_folder(
    mirror: Mirror, there: RunDirectory, run: RunDirectory
) -> None:
    """The run was deleted there, and somebody began another one of its name."""
    there.best.parent.mkdir()

    def write(run_id: str) -> None:
        (there.path / "launch.json").write_text(json.dumps({"id": run_id, "devices": 1}))
        for path in (there.events, there.device_log(0), there.best):
            path.write_text(lines_of(run_id, 2000))

    write("id")
    wait_for(mirror.copy_events())
    wait_for(mirror.fetch_results())
    write("other")
    for fetch in (mirror.copy_events, mirror.fetch_results, lambda: mirror.copy_device_log(0)):
        with pytest.raises(UserError, match="is another run's now"):
            wait_for(fetch())
    assert run.events.read_text() == run.best.read_text() == lines_of("id", 2000)
    assert not run.device_log(0).exists() or not run.device_log(0).read_text()


def test_several_commands_copy_a_log_once(
    sshd: Sshd, there: RunDirectory, run: RunDirectory
) -> None:
    there.device_log(0).write_bytes(bytes(range(256)) * 2**15)
    mirrors = [Mirror(run, RunFolder(Server(sshd.profile()), str(there.path))) for _ in range(3)]

    async def copy_at_once() -> None:
        await asyncio.gather(*(mirror.copy_device_log(0) for mirror in mirrors))

    wait_for(copy_at_once())
    assert run.device_log(0).read_bytes() == there.device_log(0).read_bytes()


def test_a_model_that_improves_is_fetched_once_a_minute(
    mirror: Mirror, there: RunDirectory, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(mirror_module, "time", SimpleNamespace(monotonic=lambda: now))
    there.best.parent.mkdir()
    there.best.write_text("first")
    wait_for(mirror.fetch_results(is_growing=True))
    assert run.best.read_text() == "first"
    there.best.write_text("the second")
    there.evaluation_json.write_text("figures")
    now += 59
    wait_for(mirror.fetch_results(is_growing=True))
    assert run.best.read_text() == "first"
    assert run.evaluation_json.read_text() == "figures"
    now += 2
    wait_for(mirror.fetch_results(is_growing=True))
    assert run.best.read_text() == "the second"
    there.best.write_text("the third and last")
    wait_for(mirror.fetch_results())
    assert run.best.read_text() == "the third and last"


def test_a_preview_that_is_too_large_is_named_and_passed_over(
    mirror: Mirror, there: RunDirectory, run: RunDirectory
) -> None:
    with there.preview_image(1).open("wb") as file:
        file.truncate(MOST_PREVIEW + 1)
    there.preview_image(2).write_bytes(b"small")
    with there.events.open("w") as log:
        for epoch in (1, 2):
            event = {"kind": "preview", "time": 1.0, "step": epoch, "slice": 0}
            event["path"] = there.relative(there.preview_image(epoch))
            log.write(json.dumps(event) + "\n")
    with pytest.raises(CommandError, match=r"step-000001\.png .* larger than 64 MiB"):
        wait_for(mirror.copy_events())
    wait_for(mirror.copy_events())
    assert run.preview_image(2).read_bytes() == b"small"
    assert not run.preview_image(1).exists()


def test_copying_leaves_room_on_the_disk(
    mirror: Mirror, there: RunDirectory, run: RunDirectory
) -> None:
    run.logs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(run.logs)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can't be mounted here")
    try:
        there.device_log(0).write_bytes(bytes(30 * 2**20))
        with pytest.raises(UserError, match=r"the disk is nearly full.*Make room"):
            wait_for(mirror.copy_device_log(0))
        df = ["df", "--output=avail", "-k", str(run.logs)]
        free = int(subprocess.check_output(df).split()[1])
        assert free >= 1000
        there.device_log(0).write_bytes(bytes(10 * 2**20))
        wait_for(mirror.copy_device_log(0))
        assert run.device_log(0).stat().st_size == 10 * 2**20
    finally:
        subprocess.run(["umount", "-l", str(run.logs)], check=True)


def test_previews_of_events_that_began_again_are_fetched_again(
    mirror: Mirror, there: RunDirectory, run: RunDirectory
) -> None:
    for content in ("old", "new"):
        event = {"kind": "preview", "time": 1.0, "step": 1, "slice": 0}
        event["path"] = there.relative(there.preview_image(1))
        there.events.write_text(f"{content}\n{json.dumps(event)}\n")
        there.preview_image(1).write_text(content)
        wait_for(mirror.copy_events())
        assert run.preview_image(1).read_text() == content


def test_files_that_change_in_their_middle_alone_are_fetched_again(
    mirror: Mirror, there: RunDirectory, run: RunDirectory
) -> None:
    """All models of a network have one size."""
    there.best.parent.mkdir()
    event = {"kind": "preview", "time": 1.0, "step": 1, "slice": 0}
    event["path"] = there.relative(there.preview_image(1))
    for middle in (b"old", b"new"):
        content = bytes(20_000) + middle + bytes(20_000)
        there.best.write_bytes(content)
        there.preview_image(1).write_bytes(content)
        with there.events.open("a") as log:
            log.write(json.dumps(event) + "\n")
        wait_for(mirror.copy_events())
        wait_for(mirror.fetch_results())
        assert run.preview_image(1).read_bytes() == content
        assert run.best.read_bytes() == content
