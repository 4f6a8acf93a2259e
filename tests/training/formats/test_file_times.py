"""Stacks whose files were moved are the same; those whose files were edited are not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from training.formats.file_times import file_times


def exchange(folder: Path) -> None:
    """An older file of the same size comes in a slice's place: no time is later than before."""
    older = folder.with_name("older.tif")
    tifffile.imwrite(older, np.full((8, 8), 9, np.uint8))
    os.utime(older, (1, 1))
    older.replace(folder / "1.tif")


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        (lambda folder: folder.rename(folder.with_name("b")).rename(folder), True),
        (lambda folder: (folder / "1.tif").rename(folder / ".1").rename(folder / "1.tif"), True),
        (lambda folder: (folder / "notes.txt").touch(), True),
        (lambda folder: shutil.copy2(folder / "1.tif", folder / "3.tif"), False),
        (lambda folder: (folder / "1.tif").touch(), False),
        (lambda folder: (folder / "2.tif").rename(folder / "3.tif"), False),
        (exchange, False),
    ],
)
def test_a_folder_of_slices(
    tmp_path: Path, change: Callable[[Path], object], is_same: bool
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for index in range(3):
        tifffile.imwrite(folder / f"{index}.tif", np.full((8, 8), index, np.uint8))
    before = file_times(folder)
    assert before is not None
    change(folder)
    assert (file_times(folder) == before) == is_same
