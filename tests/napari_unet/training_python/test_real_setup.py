"""The whole way in a Python without MindSpore: set up, train, predict, judge."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from training.opening import read_stack
from training.stacks.synthetic import write_synthetic

pytestmark = pytest.mark.skipif(
    find_spec("mindspore") is not None, reason="needs a Python without MindSpore"
)


@pytest.mark.timeout(600)  # 0.9 GB are loaded where uv's cache has not got them
def test_from_nothing_to_a_mask(tmp_path: Path) -> None:
    data, trained, mask = tmp_path / "data", tmp_path / "runs" / "first", tmp_path / "mask.tif"
    write_synthetic(data, 6, 64)
    assert "Trainings run in" in napari_unet("setup")
    napari_unet("train", "--data", data, "--steps", 3, "--out", trained)
    napari_unet("predict", trained, data / "test-volume.tif", "-o", mask)
    assert set(read_stack(mask).flat) == {0, 255}
    assert "held out" in napari_unet("evaluate", trained, "--data", data)


def napari_unet(*arguments: object) -> str:
    program = Path(sys.executable).with_name("napari-unet")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
