"""Detached processes: in sessions of their own, ended whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

from napari_unet.launchers.local_launcher import kill_tree, start_detached
from training.runs.process_record import is_alive

_WAIT = "import time; time.sleep(600)"


def test_a_started_process_has_its_own_session(tmp_path: Path) -> None:
    process = start_detached([sys.executable, "-c", _WAIT], tmp_path / "log")
    try:
        assert os.getsid(process.pid) == process.pid
        assert process.nice() >= psutil.Process().nice()
    finally:
        kill_tree(process)
    assert not is_alive(process)


def test_descendants_in_other_sessions_end_with_it(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {_WAIT!r}], start_new_session=True)\n"
        "open('child', 'w').write(str(child.pid))\n"
        "open('ready', 'w').close()\n"
        "child.wait()"
    )
    log = tmp_path / "log"
    process = start_detached(
        [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r})\n{parent}"], log
    )
    while not (tmp_path / "ready").exists():
        assert is_alive(process), log.read_text()
    child = psutil.Process(int((tmp_path / "child").read_text()))
    kill_tree(process)
    assert not is_alive(child)


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    process = start_detached([sys.executable, "-c", "print('after')"], log)
    psutil.wait_procs([process], timeout=60)
    assert log.read_text() == "before\nafter\n"
