"""Locks between real processes, and where there are none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lock_programs import COUNT, HOLD
from tests.refusals import refusing
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.files.file_locks import hold_lock


def hold(path: Path, **options: object) -> subprocess.Popen[str]:
    """Start a process that has a lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_changes_by_several_processes_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, path, "50"]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert path.read_text() == "150"


def test_a_lock_that_another_keeps_is_waited_for_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    process = hold(path)
    with pytest.raises(UserError, match=f"changing {path} for 0.1 seconds"), hold_lock(path, 0.1):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with hold_lock(path, 0.1):
        assert not path.exists()


def test_a_link_in_the_place_of_the_lock(tmp_path: Path) -> None:
    own = tmp_path / "own"
    (tmp_path / ".file.lock").symlink_to(own)
    with pytest.raises(UnwritableError, match="is a link"), hold_lock(tmp_path / "file"):
        pass
    assert not own.exists()


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_disk_without_locks_is_used_with_one_warning(tmp_path: Path, error: str) -> None:
    environment = {**os.environ, **refusing("flock", error, tmp_path)}
    first, second = (hold(tmp_path / "file", env=environment) for _ in range(2))
    for process in (first, second):
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        (line,) = errors.splitlines()
        assert line.startswith(f"The disk of {tmp_path / '.file.lock'} has no locks")


def test_another_error_is_reported(tmp_path: Path) -> None:
    environment = {**os.environ, **refusing("flock", "EIO", tmp_path)}
    command = [sys.executable, "-c", HOLD, tmp_path / "file"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "UnwritableError" in result.stderr
    assert "Input/output error" in result.stderr
