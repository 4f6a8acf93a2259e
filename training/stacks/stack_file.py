"""A TIF of slices, checked and read slice by slice."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import TIFF

from training.errors import OPEN_FILES_REMEDY, UserError
from training.stacks.scaling import Slices, check_pixels
from training.stacks.tif_structure import DAMAGED_REMEDY, check_memory, check_ome, open_tif

# ImageJ stacks saved without naming their axes have a C axis too, but a longer one.
MOST_CHANNELS = 4
# Others say only within their pixels how many there are.
_JPEG = (6, 7)
CODEC_REMEDY = "Install it, or save the stack uncompressed."


class StackFile:
    """A TIF of grey slices, read slice by slice. Use it in a ``with`` statement.

    A TIF of one 2-D image is a stack of one slice. A slice is an array (Y, X) of the file's
    dtype, in native byte order.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should hold, for messages: "images" or "labels".

    Raises
    ------
    UserError
        If it is missing, not a TIF, truncated, or has colours, channels or pages that differ.
        Reading a slice raises it for damaged data, and for NaN or infinite pixels.
    """

    def __init__(self, path: Path, what: str = "images") -> None:
        self.path = Path(path)
        with ExitStack() as opened:
            self._file = opened.enter_context(open_tif(self.path, what))
            try:
                self._series = _only_series(self._file, self.path)
                self._slices = _pages(self._file, self._series, self.path)
            except UserError:
                raise
            except Exception as error:  # tifffile's own are of many kinds
                raise _unreadable(self.path, error) from error
            opened.pop_all()  # it stays open, until close
        self.dtype: np.dtype[Any] = self._series.dtype.newbyteorder("=")

    @property
    def series(self) -> Any:
        """tifffile's series of the slices, to map its pixels or to read it in parallel."""
        return self._series

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        page = self._series.keyframe
        return len(self._slices), page.imagelength, page.imagewidth

    def __len__(self) -> int:
        return len(self._slices)

    def __getitem__(self, index: int) -> NDArray[Any]:
        try:
            source = self._slices[index]
            page = source if isinstance(source, np.ndarray) else source.asarray()
            image = np.array(page, dtype=self.dtype).reshape(self.shape[1:])
        except Exception as error:  # each of the many codecs has exceptions of its own
            raise _unreadable(self.path, error, f"Slice {index} of ") from error
        check_pixels(image, f"Slice {index} of {self.path}")
        return image

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))

    def __enter__(self) -> StackFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; slices can't be read any more."""
        self._file.close()


def _unreadable(path: Path, error: Exception, part: str = "") -> UserError:
    remedy = CODEC_REMEDY if "imagecodecs" in str(error) else DAMAGED_REMEDY
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        remedy = OPEN_FILES_REMEDY
    reason = str(error).rstrip(".") or type(error).__name__
    return UserError(f"{part}{path} can't be read: {reason}.", remedy)


def _only_series(file: tifffile.TiffFile, path: Path) -> Any:
    if file.is_ome:
        check_ome(file, path)
    if len(file.series) == 0:
        raise UserError(f"{path} does not hold an image.", DAMAGED_REMEDY)
    if len(file.series) > 1:
        raise UserError(
            f"{path} holds pages that differ in size or type.",
            "Save them as one stack of equal slices.",
        )
    series = file.series[0]
    page = series.keyframe
    axes = dict(zip(series.axes, series.shape, strict=True))
    is_multichannel = page.samplesperpixel > 1 or 1 < axes.get("C", 1) <= MOST_CHANNELS
    if is_multichannel:
        raise UserError(
            f"{path} is a colour or multichannel image (axes {series.axes}, shape {series.shape}).",
            "Convert it to 8-bit grey, one channel, and save it as a stack of slices.",
        )
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise UserError(f"{path} has a colour palette.", "Convert it to 8-bit grey.")
    if sum(length > 1 for axis, length in axes.items() if axis not in "XY") > 1:
        raise UserError(
            f"{path} has the axes {series.axes} and the shape {series.shape}.",
            "Save one stack of slices, without a time axis.",
        )
    return series


def _pages(file: tifffile.TiffFile, series: Any, path: Path) -> Slices:
    """Find the pages, or raw pixels where they lie in a row: some stacks have one page for all."""
    page = series.keyframe
    if page.compression in TIFF.IMAGE_COMPRESSIONS and page.compression not in _JPEG:
        raise UserError(f"{path} is compressed as {page.compression.name}.", "Save it with zlib.")
    itemsize = series.dtype.itemsize
    for pixels in (page.shaped, page.chunks):
        check_memory(math.prod(pixels) * itemsize, path, "A slice")
    height, width = page.imagelength, page.imagewidth
    shape = (series.size // (height * width), height, width)
    if series.dataoffset is None or not series.keyframe.is_final:
        pages: Slices = series.pages
        if len(pages) == shape[0]:
            return pages
        check_memory(series.size * itemsize, path, "The stack")
        whole: Slices = series.asarray().reshape(shape)
        return whole
    if series.dataoffset + series.size * itemsize > file.filehandle.size:
        raise UserError(f"{path} ends in the middle of its pixels.", DAMAGED_REMEDY)
    dtype = series.dtype.newbyteorder(file.byteorder)
    return _Contiguous(path, series.dataoffset, dtype, shape)


@dataclass(frozen=True)
class _Contiguous:
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
