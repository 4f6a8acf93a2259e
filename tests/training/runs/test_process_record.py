"""Records of processes: read again, and told from other processes with the same number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from training.runs.process_record import ProcessRecord, boot_id


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield process


def test_a_recorded_process_is_found_until_it_ends(
    child: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    ProcessRecord.of(child.pid).write(tmp_path / "record")
    record = ProcessRecord.read(tmp_path / "record")
    assert record is not None
    assert record.find() == psutil.Process(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert record.find() is None


def test_another_process_with_its_number_is_not_taken_for_it() -> None:
    this = ProcessRecord.of(os.getpid())
    for other in (
        replace(this, began=this.began - 1),
        replace(this, boot="another"),
        replace(this, host="another"),
        replace(this, pid=2**70),
        replace(this, pid=-1),
    ):
        assert other.find() is None


def test_a_change_of_the_time_of_day_changes_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux moves the time of its boot with the time of day, and psutil the beginnings."""
    if not boot_id():
        pytest.skip("other systems note the time of day when a process begins")
    record = ProcessRecord.of(os.getpid())
    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: create_time(self) + 3600)
    assert record.find() is not None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"pid": "x", "began": 1, "boot": "", "host": ""}', "\x00"]
)
def test_a_damaged_record_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "record").write_text(content)
    assert ProcessRecord.read(tmp_path / "record") is None
    assert ProcessRecord.read(tmp_path / "none") is None


def test_a_record_is_json(tmp_path: Path) -> None:
    ProcessRecord.of(os.getpid()).write(tmp_path / "record")
    assert json.loads((tmp_path / "record").read_text())["pid"] == os.getpid()
