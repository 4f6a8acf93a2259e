from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from training.errors import UserError
from training.opening import open_stack, read_stack


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.gif", b"GIF89a" + bytes(50), r"is a GIF image, which is not read\. Open it in Fiji"),
        ("a.zarr.zip", b"PK\x03\x04" + bytes(50), r"is a ZIP archive, .* Unpack it"),
        ("a.mrc", b"\x1f\x8b" + bytes(2000), r"is a gzip archive, .* Unpack it"),
        ("a.mrc.bz2", b"BZh9" + bytes(2000), r"is a bzip2 archive, .* Unpack it"),
        ("a.npy", b"\x93NUMPY" + bytes(50), "is a NumPy array, which is not read"),
        ("a.raw", b"pixels", "is a file of raw pixels"),
        ("a.txt", b"pixels", r"of a format that is not read\. Give a TIF, PNG, .* stack"),
        ("a.tif", b"pixels", "is not a TIF, or damaged"),
        ("a.h5", b"pixels", r"a\.h5 is damaged, or of a format that is not read"),
        ("a.dm3", b"pixels", "is damaged, or of a format"),
        ("a.mrc", b"pixels", r"a\.mrc can't be read"),
        ("a.tif", b"", "is not a TIF, or damaged"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=reason):
        open_stack(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.h5", "a.h5/raw", "folder/a.zarr/0"])
def test_what_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name} does not exist"):
        open_stack(tmp_path / name)


def test_a_file_is_known_by_what_it_holds(tmp_path: Path, images: np.ndarray) -> None:
    Image.fromarray(images[0]).save(tmp_path / "a.tif", format="PNG")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif")[0], images[0])
    tifffile.imwrite(tmp_path / "a.png", images, photometric="minisblack")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.png"), images)


@pytest.mark.parametrize("name", ["a.tif", "a.h5/raw", "a.png"])
def test_an_interrupt_in_a_library_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where Ctrl-C hits within a C function, Python raises a SystemError of it."""

    def interrupted(*arguments: object, **options: object) -> None:
        raise SystemError("a function returned a result with an exception set") from (
            KeyboardInterrupt()
        )

    pixels = np.arange(2 * 24 * 20, dtype=np.uint8).reshape(2, 24, 20)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="zlib", photometric="minisblack")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("raw", data=pixels, compression="gzip")
    Image.fromarray(pixels[0]).save(tmp_path / "a.png")
    with open_stack(tmp_path / name) as stack:
        monkeypatch.setattr(tifffile.TiffPage, "asarray", interrupted)
        monkeypatch.setattr(h5py.Dataset, "__getitem__", interrupted)
        monkeypatch.setattr(Image, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stack[0]
