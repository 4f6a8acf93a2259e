"""Slices that each have a file of their own: those of a folder, or a single picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import UserError
from training.files.untrusted_files import open_regular
from training.formats.chunked_stack import check_memory, unreadable
from training.formats.stack import Stack
from training.formats.tif_stack import TifStack
from training.formats.tif_structure import OtherImageError
from training.stacks.label_pixels import look_like_labels

# The kinds of files, by the endings of their names.
_KINDS = {
    ".tif": "TIF",
    ".tiff": "TIF",
    ".png": "PNG",
    ".bmp": "BMP",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
}
_GREY_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")
_NUMBER = re.compile(r"(\d+)")
_LAST_NUMBER = re.compile(r"(.*?)(\d*)(\D*)$", re.DOTALL)
_PNG_DEPTH = 24  # place of the byte that says the bits of a sample
_pillow = Lock()


class SliceFiles(Stack):
    """Images as slices: TIF, PNG, BMP or JPEG.

    Pictures in colours are read where all of these are grey.

    Parameters
    ----------
    path : Path
        Their folder, or the only one.
    files : sequence of Path
        In the order of the slices.

    Raises
    ------
    OtherImageError
        If an image has colours, or several slices.
    UserError
        If one is damaged. A slice that differs from the first in size or type is told when it is
        read.
    """

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        is_folder = path.is_dir()
        self.path, self.name = path, path.resolve().name if is_folder else path.name.split(".")[0]
        self._files = files
        self._are_tifs = is_folder and _KINDS[files[0].suffix.lower()] == "TIF"
        first, self._palette = self._read(0)
        self.dtype = first.dtype
        self.shape = (len(self._files), first.shape[0], first.shape[1])
        if self._are_tifs:
            with TifStack(self._files[0]) as stack:
                self.pixel_size = stack.pixel_size

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of :attr:`dtype`, see :meth:`Stack.read`.

        Raises
        ------
        UserError
            As :meth:`Stack.read`, and if its shape or dtype differs from that of the first slice,
            or the colours of its numbers do.
        """
        index = range(len(self))[index]
        page, palette = self._read(index)
        if page.shape != self.shape[1:] or page.dtype != self.dtype:
            raise UserError(
                f"{self._files[index]} has {_describe(page.shape, page.dtype)}, but "
                f"{self._files[0].name} has {_describe(self.shape[1:], self.dtype)}.",
                "Give a folder of slices of one size and type.",
            )
        if _has_other_colours(page, palette, self._palette):
            raise UserError(
                f"The numbers in {self._files[index]} have other colours than in "
                f"{self._files[0].name}, so that they may stand for others.",
                "Save all slices with one palette, or their numbers without one.",
            )
        return page

    def _read(self, index: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Read a slice (Y, X); and the colours (N, 3) of its values, if these are numbers."""
        file = self._files[index]
        if not self._are_tifs:
            return _read_picture(file)
        with TifStack(file) as stack:
            if len(stack) > 1:
                raise OtherImageError(
                    f"{self.path} is not a folder of single slices: {file.name} has {len(stack)}.",
                    f"Give the stack itself: {file}.",
                )
            return stack.read(0), stack.palette

    @property
    def numbers(self) -> list[int]:
        """The number of each slice, by the one that changes in the names; empty where none does."""
        parts = [_NUMBER.split(file.stem) for file in self._files]
        columns = [set(column) for column in zip(*parts, strict=False)]
        changing = [place for place, column in enumerate(columns) if len(column) > 1]
        if len({len(one) for one in parts}) > 1 or len(changing) != 1 or changing[0] % 2 == 0:
            return []
        return [int(one[changing[0]]) for one in parts]

    @property
    def doubt(self) -> str:
        """Tell of slices that are missing, and of several series, by the numbers in the names."""
        series: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for file in self._files:
            before, number, after = _LAST_NUMBER.findall(file.stem)[0]
            series.setdefault((before, after), []).append((number, file.name))
        alike: dict[tuple[str, ...], str] = {}  # the first file of a series, by its numbers
        for files in series.values():
            numbers, (name, *_) = zip(*files, strict=True)
            if len(files) > 1 and alike.setdefault(numbers, name) != name:
                return (
                    f"{self.path} has several series of the same numbers, such as those of "
                    f"{alike[numbers]} and {name}: all are taken for one stack."
                )
        steps = np.diff(self.numbers).tolist()
        usual = Counter(steps).most_common(1)[0][0] if steps else 0
        gaps = [place for place, step in enumerate(steps) if step > usual]
        if not gaps:
            return ""
        before, after = (self._files[gaps[0] + place].name for place in (0, 1))
        more = f" and in {len(gaps) - 1} more places" if len(gaps) > 1 else ""
        return (
            f"{self.path} has no slice between {before} and {after}{more}: those around are taken "
            "for neighbours."
        )

    def mismatch(self, other: SliceFiles) -> str:
        """Tell which slice lies at the place of another one, by the numbers in their names.

        Folders may begin at other numbers, or have numbers of their own; but where slices are
        missing in either, those of one number should lie at one place. Empty: nothing is wrong.
        """
        mine, others = self.numbers, other.numbers
        steps = {first - second for first, second in zip(mine, others, strict=False)}
        are_all_there = len(set(np.diff(mine))) < 2 and len(set(np.diff(others))) < 2
        if len(steps) < 2 or are_all_there or not set(mine) & set(others):
            return ""
        place = next(
            z for z, pair in enumerate(zip(mine, others, strict=False)) if len({*pair}) > 1
        )
        return (
            f"Slice {place} of {self.path} is {self._files[place].name}, but that of {other.path} "
            f"is {other._files[place].name}."
        )

    def close(self) -> None:
        """Do nothing: each slice's file is closed when it is read."""


def list_slices(folder: Path, what: str = "images") -> list[Path]:
    """List the images of a folder in the order of the numbers in their names.

    Hidden files and those of other kinds count for nothing.

    Parameters
    ----------
    folder : Path
        The folder.
    what : str
        What it should hold, for messages.

    Raises
    ------
    UserError
        If it can't be read, has no images, or some of several kinds.
    """
    try:
        files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    except OSError as error:
        raise unreadable(folder, error) from error
    images = [file for file in files if file.suffix.lower() in _KINDS]
    kinds = Counter(_KINDS[file.suffix.lower()] for file in images)
    if not kinds:
        raise UserError(
            f"{folder} is a folder without slices of the {what}.",
            "Give a folder of TIF, PNG, BMP or JPEG files, or a stack in one file.",
        )
    if len(kinds) > 1:
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        raise UserError(
            f"{folder} has slices of several kinds: {found}.", "Leave those of one kind in it."
        )
    return sorted(images, key=_natural_order)


def _natural_order(file: Path) -> tuple[Any, ...]:
    """Sort 2 before 10, and names that differ in letters' case alone always the same."""
    parts = _NUMBER.split(file.name.lower())
    numbers = [int(part) if place % 2 else part for place, part in enumerate(parts)]
    return (*numbers, file.name)


def _describe(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"{shape[1]} x {shape[0]} pixels of {dtype}"


def _has_other_colours(
    page: NDArray[Any], palette: NDArray[Any] | None, other: NDArray[Any] | None
) -> bool:
    """Whether the values of a slice (Y, X) have other colours in another palette (N, 3)."""
    if palette is None or other is None:
        return False
    values = np.unique(page)
    values = values[values < min(len(palette), len(other))]
    return not np.array_equal(palette[values], other[values])


def _read_picture(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Read a grey picture (Y, X), or numbers (Y, X) and their colours (N, 3)."""
    try:
        with open_regular(path) as file, _open_picture(file) as picture:
            _check_depth(file, picture, path)
            height, width = picture.height, picture.width
            check_memory(f"A slice of {path}", height * width * 4, "Cut it into smaller stacks")
            palette = _find_palette(picture)
            page = _grey(picture, path) if palette is None else np.asarray(picture)
    except UserError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise unreadable(path, error) from error
    return (page if page.dtype.isnative else page.astype(page.dtype.newbyteorder("="))), palette


def _open_picture(file: Any) -> Image.Image:
    """Open a picture of any size: Pillow takes large slices for an attack."""
    with _pillow:
        most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=("PNG", "BMP", "JPEG"))
        finally:
            Image.MAX_IMAGE_PIXELS = most


def _check_depth(file: Any, picture: Image.Image, path: Path) -> None:
    """Refuse a PNG of 16 bits with colours or transparency, of which Pillow reads 8."""
    if picture.format != "PNG" or picture.mode in _GREY_MODES:
        return
    place = file.tell()
    file.seek(_PNG_DEPTH)
    depth = file.read(1)
    file.seek(place)
    if depth == b"\x10":
        raise OtherImageError(
            f"{path} has 16 bits for each of its colours or its transparency.",
            "Save it in shades of grey alone, such as by Fiji's Image > Type > 16-bit.",
        )


def _find_palette(picture: Image.Image) -> NDArray[np.uint8] | None:
    """Give the colours (N, 3) of numbers of classes or objects; None of any other picture.

    A slice may have one value alone, or those whose colours happen to be grey.
    """
    palette = picture.getpalette() if picture.mode == "P" else None
    colours = np.array(palette or [], np.uint8).reshape(-1, 3)
    if _is_grey(colours):
        return None
    values = np.asarray(picture)
    is_blank = bool((values == values[0, 0]).all())
    return colours if is_blank or look_like_labels(values[np.newaxis]) else None


def _grey(picture: Image.Image, path: Path) -> NDArray[Any]:
    if picture.mode in _GREY_MODES:
        return np.asarray(picture)
    if picture.mode == "LA":
        return np.asarray(picture)[..., 0]
    return _one_channel(np.asarray(picture.convert("RGB")), path)


def _is_grey(colours: NDArray[np.uint8]) -> bool:
    return bool((colours == colours[..., :1]).all())


def _one_channel(colours: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """Take the greys of colours (Y, X, 3) that all are grey."""
    if not _is_grey(colours):
        raise OtherImageError(
            f"{path} is a colour image.",
            "Save it in shades of grey, such as by Fiji's 8-bit; if its colours are labels, save "
            "their numbers.",
        )
    return np.ascontiguousarray(colours[..., 0])
