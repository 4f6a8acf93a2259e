import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training.formats.dm_files import write_dm
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.formats.tif_structure import OtherImageError
from training.opening import open_stack, read_stack


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "f4"])
def test_pixels_and_their_size(
    tmp_path: Path, images: np.ndarray, version: int, dtype: str
) -> None:
    path, pixels = tmp_path / f"a.dm{version}", (images // 2).astype(dtype)
    write_dm(path, pixels, (4.0, 5.0, 50.0), version=version)
    with open_stack(path) as stack:
        assert stack.name == "a"
        assert stack.dtype == pixels.dtype
        assert stack.pixel_size == PixelSize(50, 5, 4)
        np.testing.assert_array_equal(np.stack(list(stack)), pixels)


def test_one_image_in_micrometres(tmp_path: Path, images: np.ndarray) -> None:
    write_dm(tmp_path / "a.dm3", images[0], (0.004, 0.005), unit="µm")
    with open_stack(tmp_path / "a.dm3") as stack:
        assert stack.pixel_size == PixelSize(None, pytest.approx(5), pytest.approx(4))
        np.testing.assert_array_equal(stack[0], images[0])


def test_a_thumbnail_is_not_the_image(tmp_path: Path, images: np.ndarray) -> None:
    write_dm(tmp_path / "a.dm4", images, (4, 5, 50), version=4, has_thumbnail=True)
    with open_stack(tmp_path / "a.dm4") as stack:
        assert stack.pixel_size == PixelSize(50, 5, 4)
        np.testing.assert_array_equal(np.stack(list(stack)), images)


@pytest.mark.parametrize(
    ("unit", "kind"), [("1/nm", "a diffraction pattern or a Fourier"), ("eV", "a spectrum")]
)
def test_axes_that_are_not_in_space_are_refused(
    tmp_path: Path, images: np.ndarray, unit: str, kind: str
) -> None:
    write_dm(tmp_path / "a.dm3", images, (1.0, 1.0, 1.0), unit=unit)
    with pytest.raises(OtherImageError, match=f"{kind}.* in {unit}"):
        open_stack(tmp_path / "a.dm3")


def test_other_files_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    path = tmp_path / "a.dm3"
    write_dm(path, images, (1, 1, 1), images=2)
    with pytest.raises(OtherImageError, match="holds 2 images"):
        open_stack(path)
    write_dm(path, images.astype(np.complex64), (1, 1, 1))
    with pytest.raises(OtherImageError, match="pixels of type complex64"):
        open_stack(path)
    write_dm(path, images, (1, 1, 1))
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\0\0\0\0" + content[12:])  # of a big-endian machine
    with pytest.raises(UserError, match="big-endian"):
        open_stack(path)
    for length in (20, 500, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"a\.dm3 can't be read"):
            read_stack(path)


def test_a_missing_library_is_named(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dm(tmp_path / "a.dm4", images, (1, 1, 1), version=4)
    monkeypatch.setitem(sys.modules, "rsciio.digitalmicrograph", None)
    with pytest.raises(UserError, match=r"pip install 'napari-unet-mindspore\[dm\]'"):
        open_stack(tmp_path / "a.dm4")
