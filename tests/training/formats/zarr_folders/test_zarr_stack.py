"""Stacks in Zarr folders that zarr wrote, plain and by OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from tests.training.formats.array_folders import (
    describe,
    write_array,
    write_labels,
    write_multiscales,
    write_ome,
)
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.formats.tif_structure import OtherImageError
from training.formats.zarr_folders import zarr_stack
from training.opening import open_stack, read_stack

STACK = np.random.default_rng(1).integers(0, 256, (5, 40, 50), dtype=np.uint8)
HALF = STACK[:, ::2, ::2]
VERSIONS = ["0.4", "0.5"]
ONE_CHUNK: dict[str, Any] = {"chunks": (2, 40, 64)}  # holds whole slices


@pytest.mark.parametrize("version", VERSIONS)
def test_an_ome_image_is_its_largest_level(tmp_path: Path, version: str) -> None:
    write_ome(tmp_path / "a.zarr", [STACK, HALF], version)
    with open_stack(tmp_path / "a.zarr") as stack:
        assert (stack.name, stack.shape, stack.dtype) == ("a", STACK.shape, np.uint8)
        assert stack.pixel_size == PixelSize(50, 4, 4)
        np.testing.assert_array_equal(list(stack), STACK)
        assert stack.levels[0] is stack
        (smaller,) = stack.levels[1:]
        assert smaller.pixel_size == PixelSize(50, 8, 8)
        np.testing.assert_array_equal(list(smaller), HALF)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_level_has_its_own_pixel_size(tmp_path: Path, version: str) -> None:
    write_ome(tmp_path / "a.zarr", [STACK, HALF], version)
    with open_stack(tmp_path / "a.zarr" / "1") as stack:
        assert (stack.name, stack.pixel_size) == ("a-1", PixelSize(50, 8, 8))
        np.testing.assert_array_equal(list(stack), HALF)
        assert stack.levels == (stack,)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scales", [([50, 8, 8], [50, 4, 4]), ([1, 1, 1], [1, 1, 1])])
def test_levels_may_be_listed_the_smallest_first(
    tmp_path: Path, version: str, scales: tuple[list[int], list[int]]
) -> None:
    datasets = [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for path, scale in zip("10", scales, strict=True)
    ]
    write_ome(tmp_path / "a.zarr", [STACK, HALF], version, datasets=datasets)
    with open_stack(tmp_path / "a.zarr") as stack:
        assert stack.pixel_size == PixelSize(*scales[1])
        np.testing.assert_array_equal(list(stack), STACK)
        assert [level.shape for level in stack.levels] == [STACK.shape, HALF.shape]


def test_coordinate_systems_of_ome_zarr_06(tmp_path: Path) -> None:
    """Sizes are those of the levels' own system: steps that all share lead from it to others."""

    def dataset(path: str, *steps: dict[str, Any]) -> dict[str, Any]:
        step = steps[0] if len(steps) == 1 else {"type": "sequence", "transformations": steps}
        return {
            "path": path,
            "coordinateTransformations": [{**step, "input": path, "output": "sample"}],
        }

    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    other = [{**axis, "unit": "micrometer"} for axis in axes[::-1]]
    systems = [{"name": "atlas", "axes": other}, {"name": "sample", "axes": axes}]
    moved = {"type": "scale", "scale": [9, 9, 9], "input": "sample", "output": "atlas"}
    half = (
        {"type": "scale", "scale": [50, 10, 8]},
        {"type": "translation", "translation": [0, 3, 2]},
    )
    datasets = [dataset("0", {"type": "scale", "scale": [50, 5, 4]}), dataset("1", *half)]
    write_ome(tmp_path / "a.zarr", [STACK, HALF])
    write_multiscales(
        tmp_path / "a.zarr",
        [
            {
                "coordinateSystems": systems,
                "datasets": datasets,
                "coordinateTransformations": [moved],
            }
        ],
        "0.6",
    )
    with open_stack(tmp_path / "a.zarr") as stack:
        assert stack.pixel_size == PixelSize(50, 5, 4)
        np.testing.assert_array_equal(list(stack), STACK)
        (smaller,) = stack.levels[1:]
        assert (smaller.pixel_size, smaller.offset) == (PixelSize(50, 10, 8), (0, 3, 2))


def test_a_step_that_turns_the_image_leaves_its_pixel_size_unknown(tmp_path: Path) -> None:
    steps = [{"type": "scale", "scale": [50, 4, 4]}, {"type": "rotation", "rotation": [[1]]}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    write_ome(tmp_path / "a.zarr", [STACK], datasets=datasets)
    assert open_stack(tmp_path / "a.zarr").pixel_size is None


@pytest.mark.parametrize("version", VERSIONS)
def test_times_and_channels_of_one_are_taken_off(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.zarr"
    write_ome(path, [STACK[None, None]], version, "tczyx", (1, 1, 50, 4, 4))
    np.testing.assert_array_equal(read_stack(path), STACK)
    assert open_stack(path).pixel_size == PixelSize(50, 4, 4)


@pytest.mark.parametrize("axes, words", [("tzyx", "has 3 times"), ("czyx", "has 3 channels")])
def test_more_times_or_channels_are_refused(tmp_path: Path, axes: str, words: str) -> None:
    write_ome(tmp_path / "a.zarr", [np.stack([STACK] * 3)], axes=axes, sizes=(1, 50, 4, 4))
    with pytest.raises(OtherImageError, match=words):
        open_stack(tmp_path / "a.zarr")


@pytest.mark.parametrize("stack", [STACK, STACK[:, :30, :20]])  # of several chunks, and of one
def test_axes_are_put_in_order(tmp_path: Path, stack: NDArray[np.uint8]) -> None:
    write_ome(tmp_path / "a.zarr", [stack.T], axes="xyz", sizes=(3, 4, 50))
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr"), stack)
    assert open_stack(tmp_path / "a.zarr").pixel_size == PixelSize(50, 4, 3)


@pytest.mark.parametrize(
    "sizes, unit, more, expected",
    [
        ((0.05, 0.004, 0.004), "micrometer", {}, PixelSize(50, 4, 4)),
        ((500, 40, 40), "angstrom", {}, PixelSize(50, 4, 4)),
        ((50, 4, 4), None, {}, None),
        (
            (25, 4, 4),
            "nanometer",
            {"coordinateTransformations": [{"type": "scale", "scale": [2, 1, 1]}]},
            PixelSize(50, 4, 4),
        ),
    ],
)
def test_pixel_sizes_have_units(
    tmp_path: Path, sizes: Any, unit: str | None, more: Any, expected: PixelSize | None
) -> None:
    write_ome(tmp_path / "a.zarr", [STACK], sizes=sizes, unit=unit, **more)
    assert open_stack(tmp_path / "a.zarr").pixel_size == expected


@pytest.mark.parametrize(
    "unit, expected",
    [("nanometer", (0.1, 4, 11.98)), ("micrometer", (100, 4000, 11980)), (None, (0, 0, 0))],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_translations_of_a_level_and_of_all_are_where_it_begins(
    tmp_path: Path, version: str, unit: str | None, expected: tuple[float, ...]
) -> None:
    write_array(tmp_path / "a.zarr" / "0", HALF, 2 if version == "0.4" else 3)
    own, of_all = (
        [{"type": "scale", "scale": scale}, {"type": "translation", "translation": start}]
        for scale, start in (([50, 8, 4], [0, 4, 6]), ([1, 1, 2], [0.1, 0, -0.02]))
    )
    image = {
        "axes": [describe(axis, unit) for axis in "zyx"],
        "datasets": [{"path": "0", "coordinateTransformations": own}],
        "coordinateTransformations": of_all,
    }
    write_multiscales(tmp_path / "a.zarr", [image], version)
    with open_stack(tmp_path / "a.zarr") as stack:
        assert stack.offset == pytest.approx(expected)


@pytest.mark.parametrize(
    "names, pixels",
    [
        (("dim_0", "dim_1", "dim_2"), STACK),
        (("width", "height", "depth"), STACK.T),
        (("plane", "row", "col"), STACK),
        (("x", "y", "sample", "angle"), STACK[0].T[..., None, None]),
    ],
)
def test_names_of_axes_are_those_of_programs(
    tmp_path: Path, names: tuple[str, ...], pixels: NDArray[np.uint8]
) -> None:
    for version in (2, 3):
        path = tmp_path / f"{version}.zarr"
        is_old = version == 2  # where names are xarray's attribute
        options = {"attributes": {"_ARRAY_DIMENSIONS": names}} if is_old else {}
        write_array(path, pixels, version, **options, dimension_names=None if is_old else names)
        stack = read_stack(path)
        np.testing.assert_array_equal(stack, STACK[: len(stack)])
    write_array(tmp_path / "a.zarr", STACK, 3, dimension_names=("angle", "y", "x"))
    with pytest.raises(OtherImageError, match=r"along an axis 'angle' \(axes angle, y, x,"):
        open_stack(tmp_path / "a.zarr")


def test_axes_of_the_first_versions_have_no_names(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr" / "0", STACK[None, None], 2)
    write_multiscales(tmp_path / "a.zarr", [{"datasets": [{"path": "0"}]}], "0.4")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr"), STACK)
    assert open_stack(tmp_path / "a.zarr").pixel_size is None


def test_images_of_2_axes_are_one_slice(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.zarr", [STACK[0]], axes="yx", sizes=(4, 4))
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr"), STACK[:1])
    assert open_stack(tmp_path / "a.zarr").pixel_size == PixelSize(None, 4, 4)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["bool", "uint8", ">u2", "<i2", ">i4", "u8", "f2", ">f4", "f8"])
def test_every_kind_of_number_is_read(tmp_path: Path, version: int, dtype: str) -> None:
    pixels = (STACK - 100.0).astype(dtype) if dtype[-2] != "u" else STACK.astype(dtype)
    for options in ({}, ONE_CHUNK):
        path = tmp_path / f"{len(options)}.zarr"
        write_array(path, pixels, version, **options)
        with open_stack(path) as stack:
            assert stack.dtype == np.dtype(dtype).newbyteorder("=") and stack[0].dtype.isnative
            np.testing.assert_array_equal(list(stack), pixels)


@pytest.mark.parametrize("pixels", [STACK[0], STACK, STACK[None], STACK[None, None, ..., None]])
def test_plain_arrays_may_have_axes_of_one(tmp_path: Path, pixels: NDArray[Any]) -> None:
    for path, side in ((tmp_path / "several.zarr", 32), (tmp_path / "one.zarr", 50)):
        write_array(path, pixels, chunks=tuple(min(length, side) for length in pixels.shape))
        stack = read_stack(path)
        np.testing.assert_array_equal(stack, STACK[: len(stack)])


def test_colours_are_refused(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", STACK[..., :3])
    with pytest.raises(OtherImageError, match="has colours"):
        open_stack(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "attributes",
    [
        {"voxel_size": [50, 4, 4]},
        {"resolution": [50, 4, 4]},
        {"resolution": [0.05, 0.004, 0.004], "units": ["um"] * 3},
    ],
)
def test_plain_arrays_may_have_a_pixel_size(tmp_path: Path, attributes: Any) -> None:
    write_array(tmp_path / "a.zarr" / "raw", STACK, 2, attributes=attributes)
    assert open_stack(tmp_path / "a.zarr" / "raw").pixel_size == PixelSize(50, 4, 4)


@pytest.mark.parametrize(
    "attributes",
    [
        {"_ARRAY_DIMENSIONS": ["x", "y", "z"], "resolution": [4, 5, 50]},
        {"axis_names": ["x", "y", "z"], "voxel_size": [4, 5, 50], "units": ["nm"] * 3},
    ],
)
def test_sizes_of_plain_arrays_are_along_their_axes(tmp_path: Path, attributes: Any) -> None:
    write_array(tmp_path / "a.zarr", STACK.T, 2, attributes=attributes)
    with open_stack(tmp_path / "a.zarr") as stack:
        assert stack.pixel_size == PixelSize(50, 5, 4)
        np.testing.assert_array_equal(list(stack), STACK)


def test_channels_of_daisy_have_no_size(tmp_path: Path) -> None:
    attributes = {"axis_names": ["c^", "z", "y", "x"], "voxel_size": [50, 5, 4]}
    write_array(tmp_path / "a.zarr", STACK[None], attributes=attributes)
    assert open_stack(tmp_path / "a.zarr").pixel_size == PixelSize(50, 5, 4)
    write_array(tmp_path / "b.zarr", np.stack([STACK] * 2), attributes=attributes)
    with pytest.raises(OtherImageError, match="2 channels"):
        open_stack(tmp_path / "b.zarr")


def test_the_transform_of_cosem(tmp_path: Path) -> None:
    transform = {"axes": ["z", "y", "x"], "scale": [0.05, 5, 4], "units": ["um", "nm", "nm"]}
    write_array(tmp_path / "a.zarr", STACK, 2, attributes={"transform": transform})
    assert open_stack(tmp_path / "a.zarr").pixel_size == PixelSize(50, 5, 4)


@pytest.mark.parametrize(
    "version, options",
    [
        (3, {"shards": (4, 32, 32), "chunks": (2, 16, 16)}),
        (3, {"shards": (5, 40, 50), "chunks": (1, 8, 10)}),
        (3, {"filters": zarr.codecs.TransposeCodec(order=(2, 0, 1))}),
        (3, {"compressors": [zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()]}),
        (3, {"compressors": zarr.codecs.BloscCodec(cname="lz4")}),
        (2, {"order": "F"}),
        (2, {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
        (2, {"filters": [numcodecs.Delta("u1")], "compressors": numcodecs.Zlib()}),
        (2, {"filters": [numcodecs.PackBits()]}),
        *((2, {"compressors": codec}) for codec in (
            None, numcodecs.Blosc(), numcodecs.LZ4(), numcodecs.BZ2(), numcodecs.LZMA(),
        )),
    ],
)  # fmt: skip
def test_usual_codecs_are_read(tmp_path: Path, version: int, options: Any) -> None:
    pixels = STACK > 127 if "PackBits" in str(options) else STACK
    for chunks in ({}, ONE_CHUNK):
        path = tmp_path / f"{len(chunks)}.zarr"
        write_array(path, pixels, version, **chunks | options)
        np.testing.assert_array_equal(read_stack(path), pixels)


def test_a_damaged_chunk_is_told(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", STACK, 3, **ONE_CHUNK)
    chunk = tmp_path / "a.zarr" / "c" / "1" / "0" / "0"
    whole = chunk.read_bytes()
    for damage in (b"", whole[:-100], numcodecs.Zstd().encode(STACK)):
        chunk.write_bytes(damage)
        stack = open_stack(tmp_path / "a.zarr")
        with pytest.raises(UserError, match=r"Slice 3 of .*a\.zarr can't be read: "):
            stack.read(3)
        np.testing.assert_array_equal(stack.read(1), STACK[1])


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_are_beside_their_image(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.zarr"
    write_ome(path, [STACK], version)
    write_labels(path, ["x"], STACK // 2, version)
    for named in (path / "labels" / "x", path / "labels"):
        np.testing.assert_array_equal(read_stack(named, "labels"), STACK // 2)
        assert open_stack(named).pixel_size == PixelSize(50, 4, 4)
    np.testing.assert_array_equal(read_stack(path), STACK)


def test_an_image_with_labels_is_not_taken_for_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_ome(path, [STACK])
    write_labels(path, ["x"], STACK // 2, "0.5")
    with pytest.raises(UserError, match=f"Give them: {path}/labels/x"):
        open_stack(path, "labels")
    np.testing.assert_array_equal(read_stack(path / "0", "labels"), STACK)


def test_the_only_stack_of_a_group_is_it(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_array(path / "volumes" / "raw", STACK)
    write_array(path / "times", np.arange(9))
    np.testing.assert_array_equal(read_stack(path), STACK)
    write_array(path / "volumes" / "other", STACK)
    with pytest.raises(UserError, match=f"2 stacks. Give one: {path}/volumes/other, {path}/vol"):
        open_stack(path)
    np.testing.assert_array_equal(read_stack(path / "volumes" / "raw"), STACK)


def test_several_images_of_a_group_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    for name in "ab":
        write_array(path / name, STACK)
    images = [{"axes": list("zyx"), "datasets": [{"path": name}]} for name in "ab"]
    write_multiscales(path, images)
    with pytest.raises(UserError, match=f"holds 2 images. Give one: {path}/a, {path}/b"):
        open_stack(path)


def test_what_is_missing_is_told_by_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_ome(path, [STACK])
    with pytest.raises(UserError, match=f"{path}/7 holds no stack of slices. There are: {path}"):
        open_stack(path / "7")


def test_a_missing_chunk_is_the_fill_value(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", STACK, 2, chunks=(1, 40, 50), fill_value=7)
    (tmp_path / "a.zarr" / "2.0.0").unlink()
    pixels = read_stack(tmp_path / "a.zarr")
    assert (pixels[2] == 7).all()
    np.testing.assert_array_equal(pixels[3:], STACK[3:])


def test_every_chunk_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (80, 70, 70), dtype=np.uint8)
    write_array(tmp_path / "a.zarr", pixels, chunks=(64, 64, 64))
    opened: list[Path] = []
    read = zarr_stack.open_regular

    def counted(path: Path) -> Any:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(zarr_stack, "open_regular", counted)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr"), pixels)
    chunks = [path for path in opened if path.name != "zarr.json"]
    assert len(chunks) == len(set(chunks)) == 8


def test_a_chunk_that_no_longer_fits_is_told_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ome(tmp_path / "a.zarr", [STACK], VERSIONS[0])
    with open_stack(tmp_path / "a.zarr") as stack:
        monkeypatch.setattr("training.formats.chunked_stack._SMALL", 0)
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1))
        with pytest.raises(UserError, match=r"A chunk of .*a\.zarr would take"):
            stack.read(0)


def test_slices_of_a_closed_stack_are_refused(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", STACK)
    with open_stack(tmp_path / "a.zarr") as stack:
        pass
    with pytest.raises(UserError, match="is closed"):
        stack.read(0)


@pytest.mark.isbi
@pytest.mark.parametrize("version", VERSIONS)
def test_the_isbi_stack_is_the_same(isbi: Path, tmp_path: Path, version: str) -> None:
    pixels = tifffile.imread(isbi / "train-volume.tif")
    write_ome(tmp_path / "a.zarr", [pixels, pixels[:, ::2, ::2]], version)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zarr"), pixels)
