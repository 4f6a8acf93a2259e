"""A TIF of slices, checked and read slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from training.errors import UserError
from training.scaling import Slices, check_pixels

# ImageJ stacks saved without naming their axes have a C axis too, but a longer one.
MOST_CHANNELS = 4
CODEC_REMEDY = "Install it, or save the stack uncompressed."
DAMAGED_REMEDY = "The file may be truncated; copy it again."


class StackFile:
    """A TIF of grey slices, read slice by slice. Use it in a ``with`` statement.

    A TIF of one 2-D image is a stack of one slice.

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
        self._file = _open(self.path, what)
        try:
            self._series = _only_series(self._file, self.path)
            self._slices = _pages(self._file, self._series, self.path)
        except BaseException as error:
            self._file.close()
            if isinstance(error, UserError) or not isinstance(error, Exception):
                raise
            raise _damaged(self.path, error) from error
        self.dtype: np.dtype[Any] = self._series.dtype.newbyteorder("=")

    @property
    def series(self) -> Any:
        """tifffile's series of the slices, for whoever maps its pixels or reads it in parallel."""
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
            raise _damaged(self.path, error, f"Slice {index} of ") from error
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


def _open(path: Path, what: str) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", f"Give a TIF of the {what}.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder.", f"Give a TIF of the {what}.") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from error
    except Exception as error:  # tifffile has no common one for what it stumbles over
        raise UserError(f"{path} is not a TIF, or damaged: {error}.", DAMAGED_REMEDY) from error


def _damaged(path: Path, error: Exception, part: str = "") -> UserError:
    remedy = CODEC_REMEDY if "imagecodecs" in str(error) else DAMAGED_REMEDY
    reason = str(error).rstrip(".") or type(error).__name__
    return UserError(f"{part}{path} can't be read: {reason}.", remedy)


def _only_series(file: tifffile.TiffFile, path: Path) -> Any:
    _refuse_truncated(file, path)
    if len(file.series) == 0:
        raise UserError(f"{path} holds no images.", DAMAGED_REMEDY)
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


def _refuse_truncated(file: tifffile.TiffFile, path: Path) -> None:
    """tifffile passes over pages that lie after the end of the file; this does not."""
    len(file.pages)  # walks the chain of pages to its last link
    handle = file.filehandle
    handle.seek(file.pages.next_page_offset or 0)
    link = handle.read(file.tiff.offsetsize)
    if len(link) < file.tiff.offsetsize or int.from_bytes(link, _byteorder(file)) >= handle.size:
        raise UserError(f"{path} ends in the middle of its pages.", DAMAGED_REMEDY)


def _byteorder(file: tifffile.TiffFile) -> Any:
    return "little" if file.byteorder == "<" else "big"


def _pages(file: tifffile.TiffFile, series: Any, path: Path) -> Slices:
    """Pages, or raw pixels where they lie in a row: some stacks have but one page for all."""
    height, width = series.keyframe.imagelength, series.keyframe.imagewidth
    shape = (series.size // (height * width), height, width)
    if series.dataoffset is None or not series.keyframe.is_final:
        pages: Slices = series.pages
        return pages if len(pages) == shape[0] else series.asarray().reshape(shape)
    if series.dataoffset + series.size * series.dtype.itemsize > file.filehandle.size:
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
