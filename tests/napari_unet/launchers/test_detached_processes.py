"""Detached processes: found again, told from others with the same number, ended whole."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import psutil

from napari_unet.launchers.local_launcher import kill_tree, start_detached
from training.runs.process_record import ProcessRecord, find_process

_WAIT = "import time; time.sleep(600)"


def test_a_started_process_is_found_and_has_its_own_session(tmp_path: Path) -> None:
    start_detached([sys.executable, "-c", _WAIT], tmp_path / "log", tmp_path / "record")
    process = find_process(tmp_path / "record")
    assert process is not None
    try:
        assert os.getsid(process.pid) == process.pid
        assert process.nice() >= psutil.Process().nice()
    finally:
        kill_tree(process)
    assert find_process(tmp_path / "record") is None


def test_another_process_with_the_same_number_is_not_taken_for_it(tmp_path: Path) -> None:
    record = tmp_path / "record"
    this = ProcessRecord.of(os.getpid())
    this.write(record)
    assert find_process(record) == psutil.Process()
    for changes in ({"created": 1.0}, {"host": "another"}):
        replace(this, **changes).write(record)  # type: ignore[arg-type]
        assert find_process(record) is None


def test_without_a_record_there_is_no_process(tmp_path: Path) -> None:
    assert find_process(tmp_path / "record") is None


def test_descendants_in_other_sessions_end_with_it(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {_WAIT!r}], start_new_session=True)\n"
        "open('child', 'w').write(str(child.pid))\n"
        "open('ready', 'w').close()\n"
        "child.wait()"
    )
    log = tmp_path / "log"
    start_detached(
        [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r})\n{parent}"],
        log,
        tmp_path / "record",
    )
    process = find_process(tmp_path / "record")
    assert process is not None
    while not (tmp_path / "ready").exists():
        assert process.is_running(), log.read_text()
    child = psutil.Process(int((tmp_path / "child").read_text()))
    kill_tree(process)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    start_detached([sys.executable, "-c", "print('after')"], log, tmp_path / "record")
    process = find_process(tmp_path / "record")
    if process is not None:
        psutil.wait_procs([process], timeout=60)
    assert log.read_text() == "before\nafter\n"
