import os
import re
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.opening import open_stack, read_stack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "slices"
    folder.mkdir()
    return folder


@pytest.fixture
def many(images: np.ndarray) -> np.ndarray:
    """Eleven slices, so that numbers have one and two digits."""
    return np.concatenate([images, images[:4] // 2])


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "TIFF"])
def test_slices_in_the_order_of_their_numbers(folder: Path, many: np.ndarray, ending: str) -> None:
    for index, page in enumerate(many):
        Image.fromarray(page).save(folder / f"Slice {index}.{ending}")
    (folder / "Thumbs.db").write_bytes(b"no image")
    (folder / ".hidden.png").write_bytes(b"no image")
    with open_stack(folder) as stack:
        assert stack.name == "slices"
        assert stack.shape == many.shape
        np.testing.assert_array_equal(np.stack(list(stack)), many)


def test_a_jpeg_is_read_as_it_is_shown(folder: Path, images: np.ndarray) -> None:
    Image.fromarray(images[0]).save(folder / "1.jpg", quality=95)
    difference = read_stack(folder)[0].astype(int) - images[0]
    assert np.abs(difference).mean() < 8


def test_pixels_of_16_bits_and_their_size(folder: Path, images: np.ndarray) -> None:
    pixels = images.astype(np.uint16) * 257
    for index, page in enumerate(pixels):
        Image.fromarray(page).save(folder / f"{index}.png")
    np.testing.assert_array_equal(read_stack(folder), pixels)
    for path in folder.iterdir():
        path.unlink()
    for index, page in enumerate(pixels):
        metadata = {"unit": "nm", "axes": "YX"}
        tifffile.imwrite(
            folder / f"{index}.tif", page, imagej=True, resolution=(0.25, 0.2), metadata=metadata
        )
    with open_stack(folder) as stack:
        assert stack.pixel_size == PixelSize(None, pytest.approx(5), pytest.approx(4))
        np.testing.assert_array_equal(stack[6], pixels[6])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_colours_that_are_all_grey_are_read(folder: Path, images: np.ndarray, mode: str) -> None:
    Image.fromarray(images[0]).convert(mode).save(folder / "1.png")
    np.testing.assert_array_equal(read_stack(folder)[0], images[0])


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_16_bits_are_refused(folder: Path, images: np.ndarray, channels: int) -> None:
    """Pillow reads 8 of the bits, so that ids above 255 become others."""
    page = np.repeat(images[0].astype(np.uint16)[..., np.newaxis] * 250, channels, axis=-1)
    (folder / "1.png").write_bytes(imagecodecs.png_encode(page))
    with pytest.raises(UserError, match=r"1\.png has 16 bits for each of its colours"):
        read_stack(folder, "labels")


def test_numbers_of_a_palette_are_kept(folder: Path, membrane: np.ndarray) -> None:
    """As programs write classes: the colours are there to be seen."""
    page = membrane[0].astype(np.uint8) + 1
    picture = Image.fromarray(page)
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    picture.save(folder / "1.png")
    np.testing.assert_array_equal(read_stack(folder, "labels")[0], page)


WHITE, RED, GREEN, BLACK = [255] * 3, [255, 0, 0], [0, 255, 0], [0] * 3


def write_numbers(path: Path, numbers: np.ndarray, colours: list[list[int]]) -> None:
    if path.suffix == ".tif":
        palette = np.zeros((3, 256), np.uint16)
        palette[:, : len(colours)] = np.transpose(colours) * 257
        tifffile.imwrite(path, numbers, photometric="palette", colormap=palette)
        return
    picture = Image.fromarray(numbers)
    picture.putpalette(np.ravel(colours).tolist())
    picture.save(path)


def test_numbers_of_a_palette_are_kept_in_slices_without_colours(folder: Path) -> None:
    """White and black may be numbers as well: one slice has the ground alone, one no red."""
    classes = np.kron(np.arange(12).reshape(3, 4) % 3, np.ones((9, 9))).astype(np.uint8)
    slices = [classes, np.zeros_like(classes), np.where(classes == 1, 0, classes).astype(np.uint8)]
    for index, page in enumerate(slices):
        write_numbers(folder / f"{index}.png", page, [WHITE, RED, BLACK])
    np.testing.assert_array_equal(read_stack(folder, "labels"), slices)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_slices_whose_palettes_differ_are_refused(folder: Path, ending: str) -> None:
    """As a program saves colours one by one: a number stands for another class in each."""
    classes = np.kron(np.arange(12).reshape(3, 4) % 3, np.ones((9, 9))).astype(np.uint8)
    write_numbers(folder / f"0.{ending}", classes, [BLACK, RED, GREEN])
    write_numbers(folder / f"1.{ending}", classes, [BLACK, GREEN, RED])
    with pytest.raises(UserError, match=rf"1\.{ending} have other colours than in 0\.{ending}"):
        read_stack(folder, "labels")
    write_numbers(folder / f"1.{ending}", classes % 2, [BLACK, RED, WHITE])  # where 2 is not used
    np.testing.assert_array_equal(read_stack(folder, "labels"), [classes, classes % 2])


def test_a_slice_larger_than_pillow_s_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.fromarray(np.ones((30, 40), np.uint8)).save(folder / "1.png")
    assert read_stack(folder).shape == (1, 30, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def coloured(folder: Path) -> None:
    Image.fromarray(np.arange(600, dtype=np.uint16).astype(np.uint8).reshape(10, 20, 3)).save(
        folder / "0.png"
    )


def of_two_kinds(folder: Path) -> None:
    tifffile.imwrite(folder / "0.tif", np.ones((9, 9), np.uint8))


def several_stacks(folder: Path) -> None:
    (folder / "1.png").unlink()
    tifffile.imwrite(folder / "0.tif", np.ones((3, 9, 9), np.uint8), photometric="minisblack")


def empty(folder: Path) -> None:
    (folder / "1.png").unlink()


def cut(folder: Path) -> None:
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])


def piped(folder: Path) -> None:
    os.mkfifo(folder / "0.png")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (coloured, "0.png is a colour image"),
        (of_two_kinds, "has slices of several kinds: 1 PNG, 1 TIF"),
        (
            several_stacks,
            r"is not a folder of single slices: 0\.tif has 3\. Give the stack itself: .*0\.tif",
        ),
        (empty, "is a folder without slices of the images"),
        (cut, "1.png can't be read"),
        (piped, "0.png can't be read: .*Not a regular file"),
    ],
)
def test_what_is_no_folder_of_slices_is_refused(
    folder: Path, images: np.ndarray, change: object, reason: str
) -> None:
    Image.fromarray(images[0]).save(folder / "1.png")
    change(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=reason):
        open_stack(folder)


def test_a_slice_of_another_size_is_named(folder: Path, images: np.ndarray) -> None:
    Image.fromarray(images[0]).save(folder / "1.png")
    Image.fromarray(images[1][:-1]).save(folder / "2.png")
    with (
        open_stack(folder) as stack,
        pytest.raises(
            UserError, match=r"2.png has 83 x 60 pixels of uint8, but 1.png has 83 x 61 pixels"
        ),
    ):
        stack[1]


@pytest.mark.parametrize("ending", ["png", "bmp", "PNG", "dat"])
def test_a_picture_is_a_stack_of_one_slice(tmp_path: Path, images: np.ndarray, ending: str) -> None:
    path = tmp_path / f"section.1.{ending}"
    Image.fromarray(images[0]).save(path, format="BMP" if ending == "bmp" else "PNG")
    with open_stack(path) as stack:
        assert (stack.name, stack.shape) == ("section", (1, *images[0].shape))
        np.testing.assert_array_equal(stack[0], images[0])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["s1", "s2", "s3", "s4"], ""),
        (["s10", "s20", "s30"], ""),
        (["a", "b", "c"], ""),
        (["s1_a7", "s2_a7"], ""),
        (["s8", "s9", "s12", "s13"], r"no slice between s9\.png and s12\.png: those around"),
        (["1", "2", "4", "5", "7"], r"between 2\.png and 4\.png and in 1 more places"),
        (["bse_1", "bse_2", "se_1", "se_2"], r"several series .* of bse_1\.png and se_1\.png"),
        (["1_bse", "1_se", "2_bse", "2_se"], r"several series .* of 1_bse\.png and 1_se\.png"),
    ],
)
def test_slices_that_are_missing_and_several_series_are_told(
    folder: Path, names: list[str], told: str
) -> None:
    for name in names:
        Image.fromarray(np.ones((8, 8), np.uint8)).save(folder / f"{name}.png")
    doubt = open_stack(folder).doubt
    assert re.search(told, doubt) if told else not doubt
