"""Which pages of a TIF are its slices, and how each is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG, TIFF

from training.errors import UserError
from training.formats.tif_structure import (
    DAMAGED_REMEDY,
    OtherImageError,
    check_memory,
    check_ome,
)
from training.formats.tif_tones import Tone, find_tone
from training.stacks.even_slices import pick_evenly
from training.stacks.scaling import Slices

# ImageJ stacks saved without naming their axes have a C axis too, but a longer one.
MOST_CHANNELS = 4
# Others say only within their pixels how many there are.
_JPEG = (COMPRESSION.OJPEG, COMPRESSION.JPEG)
_FAX = (COMPRESSION.CCITTRLE, COMPRESSION(3), COMPRESSION(4))  # names differ by version
_ALPHA = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
_SAMPLED_SLICES = 5
_MISREAD_BITS = 24  # of whole numbers, which tifffile gives times 256


class TifSlices:
    """The slices of an open TIF, as people see them: 0 is black. Threads may read them together.

    Parameters
    ----------
    file : tifffile.TiffFile
        Stays open while slices are read.
    path : Path
        Where it is.

    Raises
    ------
    OtherImageError
        If it has colours, channels, times, pages that differ, or a compression that is not read.
    UserError
        If it is damaged, or its pixels can't be read.

    Attributes
    ----------
    raw : RawSlices or None
        Where the slices lie in the file as they are seen, if they do.
    palette : array (N, 3) of uint16, or None
        The colours of numbers of classes or objects, if the first slice has them.
    """

    def __init__(self, file: tifffile.TiffFile, path: Path) -> None:
        found = _find_series(file, path)
        page = found[0].keyframe
        self._lock = Lock()
        self._has_alpha = page.samplesperpixel == 2 and not _is_planar(page)
        parts = [_stored_slices(file, series, path) for series in found]
        self._places = [(part, index) for part in parts for index in range(len(part))]
        self.shape = (len(self._places), page.imagelength, page.imagewidth)
        self._stored = found[0].dtype.newbyteorder("=")
        check_memory(math.prod(self.shape) * self._stored.itemsize, path, "The stack", page)
        self._tone = Tone() if page.compression in _FAX else find_tone(page, path, self._sample)
        self.dtype = self._tone.dtype(self._stored)
        is_numbers = page.photometric == PHOTOMETRIC.PALETTE and self._tone.is_plain
        self.palette = (
            np.transpose(page.colormap) if is_numbers and page.colormap is not None else None
        )
        only = parts[0] if len(parts) == 1 and self._tone.is_plain else None
        self.raw = only if isinstance(only, RawSlices) else None

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self._tone.apply(self._read(index))

    def _read(self, index: int) -> NDArray[Any]:
        part, place = self._places[index]
        with self._lock:  # tifffile moves about in the file, for tags and for pixels
            source = part[place]
            if source is None:
                raise ValueError("the OME metadata name no page for it")
            page = source if isinstance(source, np.ndarray) else source.asarray()
        if self._has_alpha:
            page = page.reshape(*self.shape[1:], 2)[..., 0]
        return np.array(page, dtype=self._stored).reshape(self.shape[1:])

    def _sample(self) -> NDArray[Any]:
        picked = pick_evenly(range(len(self)), _SAMPLED_SLICES)
        return np.stack([self._read(index) for index in picked])


def _find_series(file: tifffile.TiffFile, path: Path) -> list[Any]:
    """Find tifffile's series that hold slices: one, or as many as were appended to each other."""
    if file.is_ome:
        check_ome(file, path)
    every = list(file.series)
    if not every:
        raise UserError(f"{path} does not hold an image.", DAMAGED_REMEDY)
    found = [one for one in every if not (one.keyframe.is_reduced or one.keyframe.is_mask)] or every
    for series in found:
        _check_axes(series, path)
    first = found[0].keyframe
    if any(_kind(series.keyframe) != _kind(first) for series in found):
        raise OtherImageError(
            f"{path} holds pages that differ in size or type.",
            "Save them as one stack of equal slices.",
        )
    if len(found) > 1 and any(one.kind == "ome" and len(one) > 1 for one in found):
        raise OtherImageError(
            f"{path} holds {len(found)} stacks.", "Save one of them as a TIF of its own."
        )
    return found


def _kind(page: Any) -> tuple[Any, ...]:
    """List what all slices have in common."""
    look = (page.samplesperpixel, page.photometric)
    if _is_planar(page):  # a page of several slices, which may go with pages of one
        look = (1, PHOTOMETRIC.MINISBLACK)
    return page.imagelength, page.imagewidth, page.dtype, look


def _is_planar(page: Any) -> bool:
    return bool(page.samplesperpixel > 1 and page.planarconfig == PLANARCONFIG.SEPARATE)


def _check_axes(series: Any, path: Path) -> None:
    """Refuse colours, channels and times."""
    page = series.keyframe
    axes = dict(zip(series.axes, series.shape, strict=True))
    name = f"(axes {series.axes}, shape {series.shape})"
    # tifffile takes 3 and 4 slices for colours, but describes what it was given.
    are_slices = series.kind == "shaped" and _is_planar(page) and len(series.shape) == 3
    is_grey = page.samplesperpixel == 1 or are_slices
    with_alpha = page.samplesperpixel == 2 and tuple(page.extrasamples)[:1] in [
        (a,) for a in _ALPHA
    ]
    if not (is_grey or (with_alpha and not _is_planar(page))):
        commands = "Image > Type > 8-bit"
        if page.dtype != np.uint8:
            commands = f"Image > Type > RGB Color, then {commands}"
        raise OtherImageError(
            f"{path} is a colour image {name}.", f"In Fiji, choose {commands}, and save it again."
        )
    lengths = {axis: length for axis, length in axes.items() if axis not in "XYS" and length > 1}
    channels = lengths.get("C", 1)
    if channels > 1 and len(lengths) > 1:
        raise OtherImageError(
            f"{path} has {channels} channels {name}.",
            "In Fiji, choose Image > Color > Split Channels, and save the one to segment.",
        )
    if 1 < channels <= MOST_CHANNELS:
        raise OtherImageError(
            f"{path} has {channels} channels, and no slices {name}.",
            f"If they are slices, choose Image > Properties in Fiji, set channels to 1 and slices "
            f"to {channels}, and save it again; else save one channel alone.",
        )
    if len(lengths) > 1:
        raise OtherImageError(
            f"{path} has the axes {series.axes} and the shape {series.shape}.",
            "Save one stack of slices, without a time axis: in Fiji, by Image > Duplicate.",
        )


def _stored_slices(file: tifffile.TiffFile, series: Any, path: Path) -> Slices:
    """Find a series' pages, or raw pixels in a row: some stacks have one page for all."""
    page = series.keyframe
    if page.compression in TIFF.IMAGE_COMPRESSIONS and page.compression not in _JPEG:
        raise OtherImageError(
            f"{path} is compressed as {page.compression.name}.",
            "Open it in Fiji, and choose File > Save As > Tiff.",
        )
    if series.dtype.kind not in "buif":
        raise OtherImageError(
            f"{path} has pixels of type {series.dtype}, not numbers.",
            "Save what is to be seen, such as their absolute values.",
        )
    if page.bitspersample == _MISREAD_BITS and series.dtype.kind in "iu":
        raise OtherImageError(
            f"{path} has whole numbers of 24 bits.", "Save it with 16 or 32 bits a pixel."
        )
    itemsize = series.dtype.itemsize
    for pixels in (page.shaped, page.chunks):
        check_memory(math.prod(pixels) * itemsize, path, "A slice", page)
    if page.compression in _FAX:
        return _FaxPages(path, [one.index for one in series.pages])
    height, width = page.imagelength, page.imagewidth
    is_deep = page.samplesperpixel > 1 and not _is_planar(page)
    samples = page.samplesperpixel if is_deep else 1
    shape = (series.size // (height * width * samples), height, width)
    if series.dataoffset is None or not page.is_final or samples > 1:
        pages: Slices = series.pages
        if len(pages) == shape[0]:
            return pages
        check_memory(series.size * itemsize, path, "The stack", page)  # before it is decoded
        whole: Slices = series.asarray().reshape(*shape, *(samples,) * (samples > 1))
        return whole
    if series.dataoffset + series.size * itemsize > file.filehandle.size:
        raise UserError(f"{path} ends in the middle of its pixels.", DAMAGED_REMEDY)
    dtype = series.dtype.newbyteorder(file.byteorder)
    return RawSlices(path, series.dataoffset, dtype, shape)


@dataclass(frozen=True)
class RawSlices:
    """Slices that lie in a row in a file. Read, not mapped: a mapping would fill the memory."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> NDArray[Any]:
        pixels = self.shape[1] * self.shape[2]
        start = self.offset + range(len(self))[index] * pixels * self.dtype.itemsize
        flat = np.fromfile(self.path, self.dtype, count=pixels, offset=start)
        return flat.reshape(self.shape[1:])


@dataclass(frozen=True)
class _FaxPages:
    """Pages of one bit that are compressed as faxes: Pillow reads them, as they are seen."""

    path: Path
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> NDArray[np.bool_]:
        from PIL import Image  # which takes a while to import, and such pages are rare

        with Image.open(self.path) as file:
            file.seek(self.indices[index])
            return np.array(file)
