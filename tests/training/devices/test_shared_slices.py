"""Slices that a process leaves for another, which takes them in order."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from training.devices.msrun_job import MsrunJob
from training.devices.shared_slices import MOST_WAITING, share_slices

ROOT = Path(__file__).parents[3]
COUNT = MOST_WAITING + 9
# Leaves slices, and says on the way that it waits, or that it has left all of them.
LEAVING = """
import sys
from pathlib import Path
import numpy as np
from training.devices import shared_slices

folder, count = Path(sys.argv[1]), int(sys.argv[2])
pause = shared_slices.time.sleep

def sleep(seconds):
    (folder / "waits").touch()
    pause(seconds)

shared_slices.time.sleep = sleep
for index in range(count):
    shared_slices.leave_slice(folder, index, np.full((2, 3), index, np.float32), 1)
(folder / "done").touch()
"""


def test_few_slices_wait_to_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, folder = tmp_path / "program", tmp_path / "slices"
    program.mkdir()
    folder.mkdir()
    (program / "leaving.py").write_text(LEAVING)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(program), str(ROOT)]))
    command = ["leaving", str(folder), str(COUNT)]
    slices = share_slices(MsrunJob(devices=1), command, range(COUNT), folder)
    taken = [next(slices)]
    while not list(folder.glob("[wd]*")):
        time.sleep(0.01)
    assert len(list(folder.glob("*.npy"))) == MOST_WAITING
    taken += slices
    np.testing.assert_array_equal(np.stack(taken)[:, 0, 0], np.arange(COUNT))
    assert (folder / "done").exists()
