"""Who has a project: several locks of one folder, also in processes that are killed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_unet.projects.project_lock import LOCK, NotHeldError, ProjectInUseError, ProjectLock
from tests.portable.systems import IS_WINDOWS
from training.errors import UserError
from training.files import file_locks

pytestmark = pytest.mark.portable

CHILD = """
import sys
from pathlib import Path
from napari_unet.projects.project_lock import ProjectLock
lock = ProjectLock(Path(sys.argv[1]) / "project.json")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that knows no locks."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(file_locks, "lock_descriptor", refuse)


def hold(folder: Path, **options: bool) -> ProjectLock:
    lock = ProjectLock(folder / "project.json")
    lock.acquire(**options)
    return lock


def write_lock(folder: Path, **holder: Any) -> None:
    (folder / LOCK).write_text(json.dumps(holder))


def test_a_project_is_held_by_one_window_until_it_lets_go(tmp_path: Path) -> None:
    first = hold(tmp_path)
    with pytest.raises(ProjectInUseError, match=rf"process {os.getpid()} on .+ since \d+ "):
        hold(tmp_path)
    with first.hold():
        pass
    first.release()
    assert not (tmp_path / LOCK).exists()
    second = hold(tmp_path)
    first.release()  # a second time: it is another's now
    with second.hold():
        pass


def test_a_window_that_is_collected_lets_go(tmp_path: Path) -> None:
    hold(tmp_path)
    assert hold(tmp_path).is_held


def test_whoever_lost_a_project_learns_it_and_may_take_it_back(tmp_path: Path) -> None:
    first = hold(tmp_path)
    second = hold(tmp_path, takes_over=True)
    with (
        pytest.raises(NotHeldError, match="was taken over by another window") as lost,
        first.hold(),
    ):
        pytest.fail("it would have saved")
    assert lost.value.is_lost and not first.is_held
    first.release()
    with second.hold():
        pass
    first.acquire(takes_over=True)
    with first.hold():
        pass
    with pytest.raises(NotHeldError), second.hold():
        pytest.fail("it would have saved")


def test_who_only_looks_is_told_who_has_it(tmp_path: Path) -> None:
    with (
        pytest.raises(NotHeldError, match="You only look at"),
        ProjectLock(tmp_path / "project.json").hold(),
    ):
        pytest.fail("it would have saved")


def test_a_lock_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    lock = hold(tmp_path)
    (tmp_path / LOCK).unlink()
    with lock.hold():
        pass
    with pytest.raises(ProjectInUseError):
        hold(tmp_path)


def test_a_killed_window_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    with pytest.raises(ProjectInUseError, match=f"process {child.pid} on"):
        hold(tmp_path)
    child.kill()
    child.communicate()
    lock = hold(tmp_path)
    assert lock.is_held
    lock.release()
    assert [path.name for path in tmp_path.iterdir()] == [".project.json.lock"]


def test_a_window_of_another_machine_is_asked_about_where_locks_are_not_shared(
    tmp_path: Path,
) -> None:
    write_lock(tmp_path, host="elsewhere", pid=3)
    with pytest.raises(ProjectInUseError, match="process 3 on elsewhere"):
        hold(tmp_path)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_process_that_runs_holds_the_project(tmp_path: Path) -> None:
    lock = hold(tmp_path)
    assert not lock.has_locks
    with pytest.raises(ProjectInUseError, match=f"process {os.getpid()}"):
        hold(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = json.loads((tmp_path / LOCK).read_text())["host"]
    write_lock(tmp_path, host=host, pid=ended.pid)
    assert hold(tmp_path).is_held


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"pid": -1}', b"\xff" * 9999, b"[[" * 2000, b'{"key": "/../../outside"}'],
)
def test_a_lock_of_any_content_keeps_nobody_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK).write_bytes(content)
    assert hold(tmp_path).is_held


@pytest.mark.skipif(IS_WINDOWS, reason="has no pipes among its files, and few links")
def test_what_lies_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "project", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("mine")
    (folder / LOCK).symlink_to(outside)
    hold(folder)  # and let go at once
    assert outside.read_text() == "mine"
    os.mkfifo(folder / LOCK)
    with pytest.raises(UserError, match="lock can't be written: Not a regular file"):
        hold(folder)
