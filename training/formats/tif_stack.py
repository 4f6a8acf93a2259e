"""A TIF of slices, checked and read slice by slice."""

from __future__ import annotations

import errno
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import OPEN_FILES_REMEDY, UserError, raise_interrupt
from training.formats.stack import Stack
from training.formats.tif_pixel_size import find_pixel_size
from training.formats.tif_slices import TifSlices
from training.formats.tif_structure import DAMAGED_REMEDY, open_tif
from training.stacks.sparse_labels import LabelNote

CODEC_REMEDY = "Install it, or save the stack uncompressed."


class TifStack(Stack):
    """A TIF of grey slices; the greys of a palette are read in 8 bits.

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
        If it is missing, not a TIF, or truncated, or its pixels can't be read.
    """

    def __init__(self, path: Path, what: str = "images") -> None:
        self.path = Path(path)
        self.name = self.path.name.split(".")[0]
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
        self.pixel_size = find_pixel_size(self._file, self.path)
        self.label_note = LabelNote.find(self._file.pages.first.description)

    @property
    def palette(self) -> NDArray[np.uint16] | None:
        """The colours, uint16 (N, 3), of numbers of classes or objects, if it has them."""
        return self._slices.palette

    @property
    def mapped(self) -> NDArray[Any] | None:
        """The pixels (Z, Y, X) of :attr:`dtype`, where they lie in the file as they are seen."""
        raw = self._slices.raw
        if raw is None:
            return None
        return np.memmap(self.path, raw.dtype, "r", raw.offset, raw.shape)

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of :attr:`dtype`, see :meth:`Stack.read`."""
        try:
            return self._slices[index]
        except Exception as error:  # each of the many codecs has exceptions of its own
            raise _unreadable(self.path, error, f"Slice {index} of ") from error

    def close(self) -> None:
        self._file.close()


def _unreadable(path: Path, error: Exception, part: str = "") -> UserError:
    raise_interrupt(error)
    remedy = CODEC_REMEDY if "imagecodecs" in str(error) else DAMAGED_REMEDY
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        remedy = OPEN_FILES_REMEDY
    reason = str(error).rstrip(".") or type(error).__name__
    return UserError(f"{part}{path} can't be read: {reason}.", remedy)
