"""Images in Zarr folders, chunk by chunk: which are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.masks.writer_choice import open_chunks

PARTS = [
    (range(top, min(top + 1024, 1500)), range(left, min(left + 1024, 2100)))
    for top in (0, 1024)
    for left in (0, 1024, 2048)
]


@pytest.mark.parametrize("ome_zarr", ["0.5", "0.4"])
def test_a_chunk_is_missing_until_its_file_is_there(tmp_path: Path, ome_zarr: str) -> None:
    chunks = open_chunks(
        tmp_path / "a.zarr", (2, 1500, 2100), "uint8", is_label=False, ome_zarr=ome_zarr
    )
    chunks.open({})
    assert chunks.missing_parts(1, PARTS) == PARTS
    for part in (PARTS[1], PARTS[5]):
        chunks.write(1, part, np.zeros([*map(len, part)], np.uint8))
    left = [part for part in PARTS if part not in (PARTS[1], PARTS[5])]
    assert chunks.missing_parts(1, PARTS) == left
    assert chunks.missing_parts(0, PARTS) == PARTS
    [chunk] = chunks.folder.glob("0/**/1/0/1")
    chunk.with_name(".0.abcdefgh.part").touch()  # what a killed process was writing
    assert chunks.missing_parts(1, PARTS) == left
    assert chunks.lacks_levels(1)
    for part in left:
        chunks.write(1, part, np.zeros([*map(len, part)], np.uint8))
    chunks.write_levels(1)
    assert not chunks.missing_parts(1, PARTS)
    assert not chunks.lacks_levels(1)
    assert chunks.lacks_levels(0)
    chunk.unlink()
    assert chunks.missing_parts(1, PARTS) == [PARTS[1]]
