"""Writing masks and probabilities as multi-page TIF, slice by slice, with pixel sizes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet.stacks.pixel_size import PixelSize
from training.errors import UserError
from training.files.atomic_files import UnwritableError, replacing

CLASSIC_LIMIT = 2**32 - 2**25  # bytes: above it a TIF needs the 64-bit form


def check_output(path: Path, overwrite: bool = False) -> None:
    """Refuse a path that can't be written, or is there already; call before any long work.

    Raises
    ------
    UserError
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder.", "Give the name of a file.")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists already.", "Choose another name, or use --overwrite.")
    if not path.parent.is_dir():
        raise UserError(
            f"{path} can't be written: there is no folder {path.parent}.", "Make the folder first."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(
            f"{path} can't be written: the folder is read-only.",
            "Choose a folder that you may write to.",
        )


class TifWriter:
    """Writes a stack of ``slices`` pages, one at a time. Use it in a ``with`` statement.

    The file appears under its name when it is complete; before that, and after an error,
    whatever was there is kept. ImageJ reads it as a stack, with pixel sizes.

    Parameters
    ----------
    path : Path
        The file to write.
    shape : tuple of int
        (Z, Y, X) of the stack.
    dtype : dtype
        Of the pages.
    compression : str or None
        ``zlib``, or None for uncompressed pages.
    pixel_size : PixelSize, optional
        Recorded in the file.
    note : str
        A line for the file's ImageDescription, below ImageJ's.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    UserError
        As :func:`check_output`, before anything is written; while writing, if the disk is full.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: Any,
        *,
        compression: str | None = "zlib",
        pixel_size: PixelSize | None = None,
        note: str = "",
        overwrite: bool = False,
    ) -> None:
        self._path = Path(path)
        check_output(self._path, overwrite)
        self._shape = shape
        self._dtype = np.dtype(dtype)
        self._compression = compression
        self._description = _imagej_description(shape[0], pixel_size, note)
        self._resolution = (
            (1 / pixel_size.x, 1 / pixel_size.y) if pixel_size is not None else (1, 1)
        )
        self._written = 0
        size = int(np.prod(shape, dtype=np.int64)) * self._dtype.itemsize
        with ExitStack() as opened:
            file = opened.enter_context(replacing(self._path))
            try:
                self._file = tifffile.TiffWriter(file, bigtiff=size > CLASSIC_LIMIT)
            except OSError as error:
                raise UnwritableError(self._path, error) from error
            self._opened = opened.pop_all()

    def write(self, page: NDArray[Any]) -> None:
        """Append one slice (Y, X)."""
        if page.shape != self._shape[1:]:
            raise ValueError(f"A page of shape {page.shape} is none of a stack {self._shape}.")
        self._append(np.ascontiguousarray(page, dtype=self._dtype))

    def write_compressed(self, page: bytes) -> None:
        """Append one slice that is compressed with zlib already."""
        rows = self._shape[1]
        self._append(iter([page]), shape=self._shape[1:], dtype=self._dtype, rowsperstrip=rows)

    def _append(self, page: Any, **layout: Any) -> None:
        try:
            self._file.write(
                page,
                photometric="minisblack",
                compression=self._compression,
                description=self._description if self._written == 0 else None,
                resolution=self._resolution,
                resolutionunit="none",
                metadata=None,
                **layout,
            )
        except OSError as error:
            raise UnwritableError(self._path, error) from error
        self._written += 1

    def __enter__(self) -> TifWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._opened.__exit__(kind, error, trace)
            return
        with self._opened:
            try:
                self._file.close()
            except OSError as failure:
                raise UnwritableError(self._path, failure) from failure
            if self._written != self._shape[0]:
                raise ValueError(f"{self._written} pages are no stack {self._shape}.")


def _imagej_description(slices: int, pixel_size: PixelSize | None, note: str) -> str:
    lines = ["ImageJ=1.54f", f"images={slices}", f"slices={slices}", "loop=false"]
    if pixel_size is not None:
        lines.append("unit=nm")
        if pixel_size.z is not None:
            lines.append(f"spacing={pixel_size.z}")
    if note:
        lines.append(note)
    return "\n".join(lines) + "\n"
