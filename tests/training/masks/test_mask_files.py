from pathlib import Path

import dask.array
import numpy as np
import pytest
import skimage.io
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageSequence

from tests.limits import no_file_longer_than
from tests.stack_files import read_pixel_size
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.masks.mask_files import write_mask, write_probability
from training.masks.tif_writer import TifWriter, check_output


@pytest.mark.parametrize("compression", ["zlib", None])
@pytest.mark.parametrize(("convention", "of_membrane"), [("isbi", 0), ("membrane", 255)])
def test_mask_reads_the_same_everywhere(
    tmp_path: Path, membrane: np.ndarray, convention: str, of_membrane: int, compression: str | None
) -> None:
    path = tmp_path / "mask.tif"
    write_mask(path, membrane, convention=convention, compression=compression)
    expected = np.where(membrane, of_membrane, 255 - of_membrane).astype(np.uint8)
    np.testing.assert_array_equal(tifffile.imread(path), expected)
    np.testing.assert_array_equal(skimage.io.imread(path), expected)
    with Image.open(path) as image:
        pages = [np.array(page) for page in ImageSequence.Iterator(image)]
    np.testing.assert_array_equal(pages, expected)
    assert tifffile.imread(path).dtype == np.uint8
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "ZYX"
        assert (file.pages[0].compression == 1) == (compression is None)


@settings(max_examples=25, deadline=None)
@given(
    npst.arrays(
        np.float32,
        npst.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=9),
        elements=st.floats(0, 1, width=32),
    )
)
def test_probability_round_trip(
    tmp_path_factory: pytest.TempPathFactory, probability: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("round") / "probability.tif"
    write_probability(path, probability)
    read = tifffile.imread(path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, probability)


def test_submission_is_0_where_membrane_is_sure(tmp_path: Path) -> None:
    write_probability(tmp_path / "s.tif", np.array([[1, 0.25]], np.float32), is_submission=True)
    read = tifffile.imread(tmp_path / "s.tif")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read.squeeze(), [0, 0.75])


def test_a_stack_that_is_computed_page_by_page(tmp_path: Path, membrane: np.ndarray) -> None:
    write_mask(tmp_path / "mask.tif", dask.array.from_array(membrane, chunks=(1, -1, -1)))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "mask.tif") == 0, membrane)


@pytest.mark.parametrize("size", [PixelSize(50, 4, 4), PixelSize(None, 3.7, 4.1), None])
@pytest.mark.parametrize("compression", ["zlib", None])
def test_pixel_size_is_kept(
    tmp_path: Path, membrane: np.ndarray, size: PixelSize | None, compression: str | None
) -> None:
    path = tmp_path / "mask.tif"
    write_mask(path, membrane, pixel_size=size, compression=compression)
    read = read_pixel_size(path)
    if size is None:
        assert read is None
    else:
        assert read == PixelSize(size.z, pytest.approx(size.y), pytest.approx(size.x))


def test_an_existing_file_is_kept(tmp_path: Path, membrane: np.ndarray) -> None:
    path = tmp_path / "mask.tif"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"mask\.tif exists already.*--overwrite"):
        write_mask(path, membrane)
    assert path.read_text() == "mine"
    write_mask(path, membrane, overwrite=True)
    assert tifffile.imread(path).shape == membrane.shape


def test_an_error_on_the_way_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    path.write_text("mine")

    def broken() -> np.ndarray:
        writer.write(np.zeros((4, 4), np.uint8))
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        TifWriter(path, (2, 4, 4), np.uint8, overwrite=True) as writer,
    ):
        broken()
    assert [file.name for file in tmp_path.iterdir()] == ["mask.tif"]
    assert path.read_text() == "mine"


def test_nothing_is_under_the_name_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    with TifWriter(path, (1, 4, 4), np.uint8) as writer:
        writer.write(np.zeros((4, 4), np.uint8))
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [("none/mask.tif", "there is no folder"), ("", "is a folder"), ("file/mask.tif", "no folder")],
)
def test_outputs_that_can_not_be_written(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=problem):
        check_output(tmp_path / name)


@pytest.mark.parametrize("name", ["mask.png", "mask", "mask.tif.gz"])
def test_a_result_is_named_in_a_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"not named in a format.* End its name in \.tif"):
        write_mask(tmp_path / name, np.eye(9, dtype=bool))
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_refuses(membrane: np.ndarray) -> None:
    with pytest.raises(UserError, match="can't be written"):
        write_mask("/proc/mask.tif", membrane)


def test_a_page_of_another_shape_is_a_mistake_of_the_program(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="not one of a stack"),
        TifWriter(tmp_path / "mask.tif", (1, 4, 4), np.uint8) as writer,
    ):
        writer.write(np.zeros((4, 5), np.uint8))


def test_missing_pages_are_a_mistake_of_the_program(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="1 pages are not a stack"),
        TifWriter(tmp_path / "mask.tif", (2, 4, 4), np.uint8) as writer,
    ):
        writer.write(np.zeros((4, 4), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path: Path) -> None:
    with (
        no_file_longer_than(10_000),
        pytest.raises(UserError, match=r"mask\.tif can't be written.*room on the disk"),
    ):
        write_mask(tmp_path / "mask.tif", np.eye(500, dtype=bool), compression=None)
    assert not list(tmp_path.iterdir())
