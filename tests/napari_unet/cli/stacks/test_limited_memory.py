"""Commands where Linux gives them less memory than the machine has, and kills what takes more."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
import zarr

from tests.control_groups import control_group
from tests.napari_unet.conftest import WriteModel

MB = 10**6
PROGRAM = Path(sys.executable).with_name("napari-unet")


def predict(words: Sequence[str], *given: object) -> subprocess.CompletedProcess[str]:
    command = [*words, PROGRAM, "predict", *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_half_of_what_is_free_to_the_group_is_taken(
    write_model: WriteModel, images: np.ndarray, tmp_path: Path
) -> None:
    model, stack, output = write_model(), tmp_path / "stack.tif", tmp_path / "mask.zarr"
    tifffile.imwrite(stack, images)
    with control_group(memory=800 * MB) as words:
        done = predict(words, model, stack, "-o", output)
        chosen = predict(words, model, stack, "-o", tmp_path / "chosen.zarr", "--memory", "0.5")
    told = re.search(
        r"^--memory is (0\.\d\d), half of what is free: this process may use 0\.80 GB in all\.$",
        done.stdout,
        re.MULTILINE,
    )
    assert done.returncode == chosen.returncode == 0, done.stderr + chosen.stderr
    assert told is not None and 0.2 < float(told[1]) < 0.4
    assert "--memory is" not in chosen.stdout
    mask, other = (
        zarr.open_array(tmp_path / f"{name}.zarr/labels/{name}/0", mode="r")[:]
        for name in ("mask", "chosen")
    )
    assert mask.shape == images.shape
    np.testing.assert_array_equal(mask, other)


def test_a_slice_that_the_group_has_no_room_for_is_refused(
    write_model: WriteModel, tmp_path: Path
) -> None:
    """A process that reads it is killed."""
    stack, side = tmp_path / "stack.zarr", 12_000
    zarr.create_array(stack, shape=(1, side, side), chunks=(1, side, side), dtype="u1")[:] = 1
    with control_group(memory=300 * MB) as words:
        done = predict(words, write_model(), stack, "-o", tmp_path / "mask.zarr")
    assert done.returncode == 2, done.stderr
    assert f"A slice of {stack} would take 0.1 GiB of 0." in done.stderr
    assert "use a machine with more memory" in done.stderr
