"""What data on a machine are, as a command on another asks: in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from training.formats.pixel_size import PixelSize
from training.masks.writer_choice import write_stack


def ask(**request: object) -> Any:
    command = [sys.executable, "-P", "-m", "training.describe_data", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _write(folder: Path, name: str, pages: np.ndarray) -> None:
    tifffile.imwrite(folder / name, pages, photometric="minisblack")


def test_a_stack_is_described_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    where = {"pixel_size": PixelSize(30, 5, 5), "offset": (60.0, 10.0, 15.0)}
    write_stack(path, np.ones((2, 3, 4), np.uint16), "uint16", is_label=False, **where)
    first = ask(stack=str(path))
    assert (first["shape"], first["dtype"]) == ([2, 3, 4], "uint16")
    assert first["offset"] == [60.0, 10.0, 15.0]
    path.rename(tmp_path / "away.zarr")
    shutil.copytree(tmp_path / "away.zarr", path)  # as onto another disk and back
    assert ask(stack=str(path))["state"] == first["state"]
    (path / "zarr.json").touch()
    assert ask(stack=str(path))["state"] != first["state"]
    taken = ask(stack=str(path), results={"mask": str(path)})
    assert "exists already" in taken["problem"]
    assert "End its name in" in ask(results={"mask": str(tmp_path / "a")})["remedy"]


def test_volumes_are_found_and_their_labels_read(tmp_path: Path) -> None:
    write = partial(_write, tmp_path)
    random = np.random.default_rng(0)
    for name in ("one", "two"):
        write(f"{name}.tif", random.integers(0, 255, (5, 32, 32), np.uint8))
    z, y, x = np.indices((5, 32, 32))
    write("one_labels.tif", (16 * z + y // 8 * 4 + x // 8 + 1).astype(np.uint16))
    write("two_labels.tif", np.where(x % 8, 255, 0).astype(np.uint8))
    found = ask(data_url=str(tmp_path))
    conventions = {Path(image).name: kind for image, _, kind, _ in found["volumes"]}
    assert conventions == {"one.tif": "instances", "two.tif": "isbi"}
    assert all(Path(path).is_absolute() for volume in found["volumes"] for path in volume[:2])
    assert any("Found " in sentence for sentence in found["sentences"])
    assert "is not a volume" in ask(data_url=str(tmp_path), hold_out=["none"])["problem"]
    assert "does not exist" in ask(data_url=str(tmp_path / "none"))["problem"]
