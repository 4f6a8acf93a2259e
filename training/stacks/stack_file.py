"""A TIF of slices, checked and read slice by slice."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import OPEN_FILES_REMEDY, UserError
from training.stacks.scaling import check_pixels
from training.stacks.tif_slices import TifSlices
from training.stacks.tif_structure import DAMAGED_REMEDY, open_tif

CODEC_REMEDY = "Install it, or save the stack uncompressed."


class StackFile:
    """A TIF of grey slices, read slice by slice. Use it in a ``with`` statement.

    A TIF of one 2-D image is a stack of one slice. A slice is an array (Y, X) of the pixels as
    people see them, 0 is black: of the file's dtype in native byte order, or the greys of a
    palette in 8 bits.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should hold, for messages: "images" or "labels".

    Raises
    ------
    OtherImageError
        If it has colours, channels, times or pages that differ.
    UserError
        If it is missing, not a TIF, or truncated, or its pixels can't be read. Reading a slice
        raises it for damaged data, and for NaN or infinite pixels.
    """

    def __init__(self, path: Path, what: str = "images") -> None:
        self.path = Path(path)
        with ExitStack() as opened:
            self._file = opened.enter_context(open_tif(self.path, what))
            try:
                self._slices = TifSlices(self._file, self.path)
            except UserError:
                raise
            except Exception as error:  # tifffile's own are of many kinds
                raise _unreadable(self.path, error) from error
            opened.pop_all()  # it stays open, until close
        self.shape, self.dtype = self._slices.shape, self._slices.dtype

    @property
    def mapped(self) -> NDArray[Any] | None:
        """The pixels (Z, Y, X) where they lie in the file, if they do, in its byte order."""
        raw = self._slices.raw
        if raw is None:
            return None
        return np.memmap(self.path, raw.dtype, "r", raw.offset, raw.shape)

    def __len__(self) -> int:
        return len(self._slices)

    def __getitem__(self, index: int) -> NDArray[Any]:
        image = self.read(index)
        check_pixels(image, f"Slice {index} of {self.path}")
        return image

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) that may have NaN or infinite pixels, to show them."""
        try:
            return self._slices[index]
        except Exception as error:  # each of the many codecs has exceptions of its own
            raise _unreadable(self.path, error, f"Slice {index} of ") from error

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
