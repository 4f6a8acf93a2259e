"""A TIF of a layer that is saved again and again: only what changed is compressed again."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.stacks.whole_slices import WHOLE_SLICE
from training.errors import UserError
from training.files.known_file import ChangedFileError, KnownFile
from training.formats.pixel_size import PixelSize
from training.masks.tif_writer import TifWriter
from training.opening import open_stack
from training.stacks.stack_axes import as_stack


class SavedStack:
    """Keeps the compressed slices of a stack, so that a stroke costs one slice and a short write.

    Parameters
    ----------
    path : Path
        The file; replaced as a whole, by renaming.
    shape : tuple of int
        (Z, Y, X) or (Y, X).
    dtype : dtype
        Data type of the pixels.
    known : KnownFile, optional
        The file as it may be replaced; by default whatever is there.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: Any, known: KnownFile | None = None
    ) -> None:
        self.path, self.shape, self._known = path, shape, known
        self.dtype = np.dtype(np.uint8 if np.dtype(dtype) == bool else dtype)
        slices = math.prod(shape[:-2])
        self._checksums: list[int | None] = [None] * slices
        self._compressed: list[bytes] = [b""] * slices
        self._saved_checksums: list[int | None] = []
        self._written: tuple[str, PixelSize | None] | None = None

    def save(
        self,
        data: Any,
        slices: Iterable[int] | None = None,
        note: str = "",
        pixel_size: PixelSize | None = None,
        before_writing: Callable[[], None] = lambda: None,
    ) -> bool:
        """Write the file if anything changed; call it in another thread than the window's.

        Parameters
        ----------
        data : array of ``shape``
            May be painted on meanwhile: save it once more after that.
        slices : iterable of int, optional
            Slices to look at; all where some were never looked at.
        note, pixel_size
            As for :class:`TifWriter`.
        before_writing : callable
            Called once all pixels are copied that will be written.

        Returns
        -------
        is_written : bool

        Raises
        ------
        ChangedFileError
            If another has written the file since; it is kept.
        UserError
            If it can't be written; what was there is kept.
        """
        is_first = None in self._checksums
        places = range(len(self._checksums)) if slices is None or is_first else slices
        written, self._written = self._written, None  # so that a failure is tried again
        changed = [self._compress(index, data) for index in places]
        if not any(changed) and written == (note, pixel_size):
            self._written = written
            return False
        if self.is_changed:
            raise ChangedFileError(self.path)
        before_writing()
        shape = (len(self._checksums), self.shape[-2], self.shape[-1])
        with TifWriter(
            self.path, shape, self.dtype, pixel_size=pixel_size, note=note, overwrite=True
        ) as writer:
            for page in self._compressed:
                writer.write_compressed(page)
        if self._known is not None:
            self._known.see()
        self._written, self._saved_checksums = (note, pixel_size), list(self._checksums)
        return True

    @property
    def is_changed(self) -> bool:
        """Whether another has written other pixels to the file since it was last saved."""
        if self._known is None or not self._known.is_changed:
            return False
        if not self._holds_saved_pixels():
            return True
        self._known.see()
        return False

    def _holds_saved_pixels(self) -> bool:
        try:
            with open_stack(self.path, "labels") as stack:
                checksums = [zlib.crc32(_pixel_bytes(page, self.dtype)) for page in stack]
        except UserError:  # of a kind that is never written here
            return False
        return checksums == self._saved_checksums

    def _compress(self, index: int, data: Any) -> bool:
        """Compress a slice if it isn't what it was; the checksum takes a tenth of the time."""
        page = np.asarray(as_stack(data)[index])
        if page.shape != self.shape[-2:]:
            raise UserError(
                f"The stack of {self.path.name} has another shape now.", "Save it as a new layer."
            )
        pixels = _pixel_bytes(page, self.dtype)
        checksum = zlib.crc32(pixels)
        if checksum == self._checksums[index]:
            return False
        self._compressed[index] = zlib.compress(pixels, 1)
        self._checksums[index] = checksum
        return True


def _pixel_bytes(page: NDArray[Any], dtype: np.dtype[Any]) -> memoryview:
    """Copy the bytes of a page (Y, X), because it may be painted on meanwhile."""
    with WHOLE_SLICE:
        return np.array(page, dtype, order="C").data.cast("B")
