"""Images in Zarr folders, chunk by chunk: which are there, and what is in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numcodecs
import numpy as np
import pytest

from training.errors import UserError
from training.masks.writer_choice import open_chunks, open_writer

PARTS = [
    (range(top, min(top + 1024, 1500)), range(left, min(left + 1024, 2100)))
    for top in (0, 1024)
    for left in (0, 1024, 2048)
]


def chunks_of(image: Path) -> dict[str, bytes]:
    files = (path for path in image.rglob("[0-9]") if path.is_file())
    return {str(path.relative_to(image)): path.read_bytes() for path in files}


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


@pytest.mark.parametrize(
    ("ome_zarr", "dtype", "is_label", "compression"),
    [
        ("0.5", "uint8", True, "zlib"),
        ("0.4", "uint8", True, "zlib"),
        ("0.4", "float32", False, "zlib"),
        ("0.5", "f2", False, None),
    ],
)
def test_the_files_are_those_that_zarr_writes(
    tmp_path: Path, ome_zarr: str, dtype: str, is_label: bool, compression: str | None
) -> None:
    shape = (2, 1100, 2101)
    stack = np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    options = {"is_label": is_label, "ome_zarr": ome_zarr, "compression": compression}
    (tmp_path / "zarr").mkdir()
    with open_writer(tmp_path / "zarr" / "a.zarr", shape, dtype, **options) as writer:
        for page in stack:
            writer.write(page)
    chunks = open_chunks(tmp_path / "a.zarr", shape, dtype, **options)
    chunks.open({})
    for index, page in enumerate(stack):
        chunks.write(index, (range(1024), range(2048)), page[:1024, :2048])
        if index:  # another process goes on, which has to read what is there
            chunks = open_chunks(tmp_path / "a.zarr", shape, dtype, **options)
            chunks.open({})
        chunks.write(index, (range(1024), range(2048, 2101)), page[:1024, 2048:])
        chunks.write(index, (range(1024, 1100), range(2101)), page[1024:])
        chunks.write_levels(index)
    chunks.finish()
    written, expected = map(chunks_of, (tmp_path / "a.zarr", tmp_path / "zarr" / "a.zarr"))
    assert len(expected) > 2 * 9 and written == expected


@pytest.mark.parametrize("damage", [b"", b"none of zstd", numcodecs.Zstd().encode(bytes(2**20))])
def test_a_damaged_chunk_is_told(tmp_path: Path, damage: bytes) -> None:
    page = np.ones((300, 300), np.uint8)
    for _ in range(2):  # the second process has to read what the first one wrote
        chunks = open_chunks(tmp_path / "a.zarr", (1, *page.shape), "uint8", is_label=False)
        chunks.open({})
        chunks.write(0, (range(300), range(300)), page)
        (chunks.folder / "0" / "c" / "0" / "0" / "0").write_bytes(damage)
    with pytest.raises(UserError, match=r"zarr/0/c/0/0/0 can't be read: .* Delete it"):
        chunks.write_levels(0)
    assert chunks.lacks_levels(0)
    (chunks.folder / "zarr.json").write_bytes(damage)
    with pytest.raises(UserError, match=r"a\.partial\.zarr can't be read: .* Delete it"):
        chunks.read_record()


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("shape", [2, 200, 300], "was begun with other pixels"),
        ("data_type", "uint16", "was begun with other pixels"),
        ("codecs", [], r"can't be read: .* Delete it"),
        (
            "chunk_grid",
            {"name": "regular", "configuration": {"chunk_shape": [2, 300, 300]}},
            "can't be read: its chunks are of several slices",
        ),
    ],
)
def test_other_arrays_are_not_gone_on_with(
    tmp_path: Path, key: str, value: object, problem: str
) -> None:
    chunks = open_chunks(tmp_path / "a.zarr", (2, 300, 300), "uint8", is_label=False)
    chunks.open({})
    document = chunks.folder / "0" / "zarr.json"
    document.write_text(json.dumps(json.loads(document.read_text()) | {key: value}))
    with pytest.raises(UserError, match=rf"a\.partial\.zarr {problem}"):
        chunks.open({})


def test_a_helper_writes_as_long_as_the_holder_holds_it(tmp_path: Path) -> None:
    """A cluster's worker goes on for a while after the command that gave it work was killed."""
    of = (tmp_path / "a.zarr", (2, 30, 40), "uint8")
    page, window = np.ones((30, 40), np.uint8), (range(30), range(40))
    holder, helper, later = (open_chunks(*of, is_label=False) for _ in range(3))
    with holder.hold():
        holder.open({})
        helper.help(holder.turn)
        helper.open({})
        helper.write(0, window, page)
    with later.hold():
        later.open({})
        for write in (lambda: helper.write(1, window, page), lambda: helper.write_levels(0)):
            with pytest.raises(UserError, match=r"a\.partial\.zarr is not there, or another"):
                write()
        assert later.missing_parts(0, [window]) == []
        assert later.missing_parts(1, [window]) == [window]
        helper.help(later.turn)
        shutil.rmtree(later.folder)
        with pytest.raises(UserError, match=r"a\.partial\.zarr is not there, or another"):
            helper.write(1, window, page)
        with pytest.raises(UserError, match=r"a\.partial\.zarr can't be written: it was deleted"):
            later.write(1, window, page)
        assert not later.folder.exists()
    elsewhere = open_chunks(tmp_path / "b.zarr", *of[1:], is_label=False)
    with pytest.raises(UserError, match=r"All workers have to see the same files"):
        elsewhere.help(holder.turn)
