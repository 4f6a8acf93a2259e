"""Arrays in files without a name, on a disk that is full later on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# What is left is filled, so that a page that has no room yet can't get any: SIGBUS then.
FILL = """
import sys
from pathlib import Path
import numpy as np
from napari_unet.prediction.live_classes import LiveClasses
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.stacks import large_array
from training.errors import UserError
from training.label_classes import LabelClasses

large_array.IN_MEMORY_BYTES = 0
prediction = LivePrediction.empty((2, 300, 300), 0.5)
classes = LiveClasses((2, 300, 300), LabelClasses.parse("membrane,mitochondria"))
with open(Path(sys.argv[1]) / "rest", "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)):
            pass
    except OSError:
        pass
for index in range(2):
    prediction.store(index, np.ones((300, 300), np.float32))
    page = np.zeros((len(classes.classes), 300, 300), np.float32)
    page[1] = 1
    classes.store(index, page)
print(int(prediction.mask.sum()), int((classes.values > 0).sum()))
try:
    LivePrediction.empty((2, 300, 300), 0.5)
except UserError as error:
    print(error)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB; skips without the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("Mounting a disk takes root on Linux.")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_later_ends_no_prediction(small_disk: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(small_disk)}
    command = [sys.executable, "-c", FILL, str(small_disk)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pixels, refusal = done.stdout.splitlines()[:2]
    assert pixels == "180000 180000"
    assert "A file for the whole stack takes" in refusal
    assert "start again with TMPDIR" in refusal
