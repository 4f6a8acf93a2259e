"""Stacks in folders of N5 and of Neuroglancer's precomputed, which tensorstore wrote."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.training.formats.array_folders import write_n5, write_precomputed
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.formats.tif_structure import OtherImageError
from training.opening import open_stack, read_stack

STACK = np.random.default_rng(1).integers(0, 256, (5, 40, 50), dtype=np.uint8)
HALF = STACK[:, ::2, ::2]
SHARDS = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "hash": "identity",
    "minishard_bits": 1,
    "shard_bits": 1,
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_an_n5_dataset_is_read(tmp_path: Path, dtype: str) -> None:
    pixels = (STACK - 100.0).astype(dtype) if dtype[0] != "u" else STACK.astype(dtype)
    write_n5(tmp_path / "a.n5" / "volumes" / "raw", pixels, {"resolution": [4, 3, 50]})
    with open_stack(tmp_path / "a.n5" / "volumes" / "raw") as stack:
        assert (stack.name, stack.shape, stack.dtype) == ("a-volumes-raw", STACK.shape, dtype)
        assert stack.pixel_size == PixelSize(50, 3, 4)
        np.testing.assert_array_equal(list(stack), pixels)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.n5"), pixels)


COSEM = {"axes": ["z", "y", "x"], "scale": [50, 5, 4], "units": ["nm"] * 3}


@pytest.mark.parametrize(
    "attributes, expected",
    [
        ({"resolution": [0.004, 0.004, 0.05], "units": ["um"] * 3}, PixelSize(50, 4, 4)),
        ({"pixelResolution": {"dimensions": [4, 4, 50], "unit": "nm"}}, PixelSize(50, 4, 4)),
        ({"pixelResolution": [4, 4, 50], "downsamplingFactors": [2, 2, 1]}, PixelSize(50, 8, 8)),
        ({"pixelResolution": {"dimensions": [4, 4, 50], "unit": "pixel"}}, None),
        ({"transform": COSEM}, PixelSize(50, 5, 4)),
        ({"transform": COSEM, "downsamplingFactors": [2, 2, 1]}, PixelSize(50, 5, 4)),
        ({"transform": {**COSEM, "scale": "?"}}, None),
        ({}, None),
    ],
)
def test_pixel_sizes_of_n5(
    tmp_path: Path, attributes: dict[str, Any], expected: PixelSize | None
) -> None:
    write_n5(tmp_path / "a.n5", STACK, attributes)
    assert open_stack(tmp_path / "a.n5").pixel_size == expected


def test_a_group_of_n5_is_its_largest_level(tmp_path: Path) -> None:
    group = tmp_path / "a.n5" / "raw"
    write_n5(group / "s0", STACK)
    write_n5(group / "s1", HALF, {"downsamplingFactors": [2, 2, 1]})
    write_n5(group / "s2", HALF[:, ::2, ::2])
    (group / "attributes.json").write_text(json.dumps({"resolution": [4, 4, 50]}))
    sizes = [PixelSize(50, 4, 4), PixelSize(50, 8, 8), None]
    for path in (group, group.parent):
        with open_stack(path) as stack:
            np.testing.assert_array_equal(list(stack), STACK)
            assert [level.pixel_size for level in stack.levels] == sizes
            np.testing.assert_array_equal(list(stack.levels[1]), HALF)
    np.testing.assert_array_equal(read_stack(group / "s1"), HALF)


def test_several_datasets_of_n5_are_named(tmp_path: Path) -> None:
    for name in "ab":
        write_n5(tmp_path / "a.n5" / name, STACK)
    path = tmp_path / "a.n5"
    with pytest.raises(UserError, match=f"holds 2 datasets. Give one: {path}/a, {path}/b"):
        open_stack(path)
    with pytest.raises(UserError, match=f"holds no stack of slices. There are: {path}/a"):
        open_stack(path / "c")


@pytest.mark.parametrize("length", [1, 3])
def test_n5_of_several_channels_is_refused(tmp_path: Path, length: int) -> None:
    write_n5(tmp_path / "a.n5", np.stack([STACK] * length))
    if length == 1:
        np.testing.assert_array_equal(read_stack(tmp_path / "a.n5"), STACK)
    else:
        with pytest.raises(OtherImageError, match="has 3 channels"):
            open_stack(tmp_path / "a.n5")


@pytest.mark.parametrize(
    "scale", [{}, {"encoding": "png"}, {"sharding": SHARDS}], ids=["raw", "png", "sharded"]
)
def test_precomputed_is_its_first_scale(tmp_path: Path, scale: dict[str, Any]) -> None:
    write_precomputed(tmp_path / "a", [STACK, HALF], **scale)
    with open_stack(tmp_path / "a") as stack:
        assert (stack.name, stack.pixel_size) == ("a", PixelSize(50, 4, 4))
        np.testing.assert_array_equal(list(stack), STACK)
        assert [level.shape for level in stack.levels] == [STACK.shape, HALF.shape]
    with open_stack(tmp_path / "a" / "8_8_50") as stack:
        assert (stack.name, stack.pixel_size) == ("a-8_8_50", PixelSize(50, 8, 8))
        np.testing.assert_array_equal(list(stack), HALF)


def test_precomputed_of_several_channels_is_refused(tmp_path: Path) -> None:
    write_precomputed(tmp_path / "a", [np.stack([STACK] * 3)])
    with pytest.raises(OtherImageError, match="has 3 channels"):
        open_stack(tmp_path / "a")


def test_other_folders_may_have_a_file_called_info(tmp_path: Path) -> None:
    (tmp_path / "info").write_text("Fixed in osmium.")
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif"), STACK)


def test_what_to_install_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_n5(tmp_path / "a.n5", STACK)
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(UserError, match=r"pip install 'napari-unet-mindspore\[tensorstore\]'"):
        open_stack(tmp_path / "a.n5")


@pytest.mark.isbi
def test_the_isbi_stack_is_the_same(isbi: Path, tmp_path: Path) -> None:
    pixels = tifffile.imread(isbi / "train-volume.tif")
    write_n5(tmp_path / "a.n5", pixels, {"resolution": [4, 4, 50]})
    write_precomputed(tmp_path / "b", [pixels])
    for name in ("a.n5", "b"):
        np.testing.assert_array_equal(read_stack(tmp_path / name), pixels)
        assert open_stack(tmp_path / name).pixel_size == PixelSize(50, 4, 4)
