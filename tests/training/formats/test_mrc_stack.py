from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.opening import open_stack, read_stack


def write(path: Path, pixels: np.ndarray, **header: Any) -> Path:
    with mrcfile.new(path) as file:
        file.set_data(pixels)
        file.voxel_size = (40.0, 50.0, 400.0)
        for name, value in header.items():
            file.header[name] = value
    return path


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4", "f2"])
@pytest.mark.parametrize("ending", ["mrc", "rec", "st", "map"])
def test_pixels_and_their_size(tmp_path: Path, images: np.ndarray, dtype: str, ending: str) -> None:
    pixels = (images // 2).astype(dtype)
    with open_stack(write(tmp_path / f"a.{ending}", pixels)) as stack:
        assert stack.dtype == pixels.dtype
        assert stack.pixel_size == PixelSize(*map(pytest.approx, (40, 5, 4)))
        np.testing.assert_array_equal(np.stack(list(stack)), pixels)


def test_the_other_byte_order(tmp_path: Path, images: np.ndarray) -> None:
    path = write(tmp_path / "a.mrc", images.astype(">i2"))
    assert path.read_bytes()[212:214] == b"\x11\x11"  # its stamp says big-endian
    with open_stack(path) as stack:
        assert stack.dtype.isnative
        np.testing.assert_array_equal(stack[2], images[2])


def with_imod_flags(path: Path, flags: int) -> Path:
    content = bytearray(path.read_bytes())
    content[152:160] = np.array([1146047817, flags], "<i4").tobytes()
    path.write_bytes(content)
    return path


def test_bytes_are_signed_as_their_writer_meant_them(tmp_path: Path, images: np.ndarray) -> None:
    """IMOD's first versions wrote bytes from 0 to 255, and say so by a missing flag."""
    path = write(tmp_path / "a.mrc", images.view(np.int8))
    np.testing.assert_array_equal(read_stack(path), images.view(np.int8))
    np.testing.assert_array_equal(read_stack(with_imod_flags(path, 0)), images)
    np.testing.assert_array_equal(read_stack(with_imod_flags(path, 1)), images.view(np.int8))
    older = write(tmp_path / "older.mrc", images.view(np.int8), dmin=0, dmax=255)
    np.testing.assert_array_equal(read_stack(older), images)


@pytest.mark.parametrize("stored", [(0, -1), (0, 0)])  # by the standard, and as many leave it
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_bytes_of_no_recorded_range_do_not_wrap_around(
    tmp_path: Path, stored: tuple[int, int], dtype: type
) -> None:
    ramp = np.linspace(10, 240, 60).astype(np.uint8)
    pixels = np.broadcast_to(ramp, (3, 40, 60))
    if dtype == np.int8:
        pixels = (pixels.astype(int) - 128).astype(np.int8)
    low, high = stored
    path = write(tmp_path / "a.mrc", pixels.view(np.int8), dmin=low, dmax=high)
    with open_stack(path) as stack:
        assert stack.dtype == dtype
        np.testing.assert_array_equal(list(stack), pixels)


@pytest.mark.parametrize(("flags", "sign"), [(None, 1), (0, -1), (4, 1)])
def test_the_origin_is_the_first_voxel_s_place(
    tmp_path: Path, images: np.ndarray, flags: int | None, sign: int
) -> None:
    """IMOD has the place of the volume's origin as seen from the voxel, unless a flag is set."""
    path = write(tmp_path / "a.mrc", images.astype(np.int16), origin=(40, 100, -800))
    with open_stack(path if flags is None else with_imod_flags(path, flags)) as stack:
        assert stack.offset == pytest.approx((-80 * sign, 10 * sign, 4 * sign))


def test_axes_may_be_in_another_order(tmp_path: Path, images: np.ndarray) -> None:
    pixels = images.astype(np.int16)
    path = write(tmp_path / "a.mrc", pixels.transpose(2, 1, 0), mapc=3, mapr=2, maps=1)
    np.testing.assert_array_equal(read_stack(path), pixels)


def test_a_single_section_is_a_stack_of_one(tmp_path: Path, images: np.ndarray) -> None:
    path = write(tmp_path / "a.mrc", images[0].astype(np.int16))
    assert read_stack(path).shape == (1, *images[0].shape)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def of_mode(path: Path, mode: int) -> None:
    content = bytearray(path.read_bytes())
    content[12:16] = mode.to_bytes(4, "little")
    path.write_bytes(content)


def of_width(path: Path, width: int) -> None:
    content = bytearray(path.read_bytes())
    content[:4] = width.to_bytes(4, "little", signed=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "value", "reason"),
    [
        (lambda path, _: cut(path), 0, "ends in the middle of its pixels"),
        (of_mode, 4, "is an MRC file of complex numbers"),
        (of_mode, 16, "is an MRC file of colours"),
        (of_mode, 77, "of mode 77"),
        (of_width, 2**31 - 1, "ends in the middle of its pixels"),
        (of_width, -5, "its header is damaged"),
        (of_width, 0, "is empty"),
    ],
)
def test_damaged_and_other_files_are_refused(
    tmp_path: Path, images: np.ndarray, change: object, value: int, reason: str
) -> None:
    path = write(tmp_path / "a.mrc", images.astype(np.int16))
    change(path, value)  # type: ignore[operator]
    with pytest.raises(UserError, match=reason):
        open_stack(path)
