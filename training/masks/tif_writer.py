"""Writing masks and probabilities as multi-page TIF, slice by slice, with pixel sizes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from training.errors import UserError
from training.files.atomic_files import UnwritableError, replacing
from training.formats.pixel_size import PixelSize
from training.stacks.stack_axes import as_stack

TIF_ENDINGS = (".tif", ".tiff")
CLASSIC_LIMIT = 2**32 - 2**25  # bytes: above it a TIF needs the 64-bit form


def check_output(path: Path, overwrite: bool = False) -> None:
    """Refuse a path that can't be written, or is there already; call before any long work.

    Raises
    ------
    UserError
        That says what is wrong with the path.
    """
    try:
        exists = path.exists()
    except OSError as error:  # its name is too long, or its folder may not be looked into
        raise UnwritableError(path, error) from error
    if path.is_dir():
        raise UserError(f"{path} is a folder.", "Give the name of a file.")
    if exists and not path.is_file():
        raise UserError(f"{path} is a pipe or a device.", "Give the name of a file.")
    if exists and not overwrite:
        raise UserError(f"{path} exists already.", "Choose another name, or use --overwrite.")
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise UserError(
            f"{path} can't be written: there is no folder {folder}.", "Make the folder first."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{path} can't be written: the folder is read-only.",
            "Choose a folder that you may write to.",
        )


def check_tif_output(path: Path, overwrite: bool = False) -> None:
    """Refuse a TIF that can't be written, or that isn't named as one.

    Raises
    ------
    UserError
        As :func:`check_output`.
    """
    check_output(path, overwrite)
    if path.suffix.lower() not in TIF_ENDINGS:
        raise UserError(
            f"{path} would be a TIF, and isn't named as one.",
            f"End its name in {' or '.join(TIF_ENDINGS)}, such as {path.stem.rstrip('.')}.tif.",
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
        Data type of the pages.
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
        As :func:`check_tif_output`, before anything is written; while writing, if the disk is full.
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
        check_tif_output(self._path, overwrite)
        self._shape = shape
        self._dtype = np.dtype(dtype)
        self._compression = compression
        self._description = _imagej_description(shape[0], pixel_size, note)
        self._resolution = (
            (1 / pixel_size.x, 1 / pixel_size.y) if pixel_size is not None else (1, 1)
        )
        self._written = 0
        self._opened = self._open()

    def write(self, page: NDArray[Any]) -> None:
        """Append one slice (Y, X) of any real dtype, converted to the file's.

        Raises
        ------
        ValueError
            If it has another shape than the slices of the file.
        UserError
            If the disk is full.
        """
        if page.shape != self._shape[1:]:
            raise ValueError(f"A page of shape {page.shape} is not one of a stack {self._shape}.")
        self._append(np.ascontiguousarray(page, dtype=self._dtype))

    def write_compressed(self, page: bytes) -> None:
        """Append one slice whose pixels, of the file's dtype, are compressed with zlib already."""
        rows = self._shape[1]
        self._append(iter([page]), shape=self._shape[1:], dtype=self._dtype, rowsperstrip=rows)

    def _append(self, page: Any, **layout: Any) -> None:
        with _report_errors(self._path):
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
        self._written += 1

    def __enter__(self) -> TifWriter:
        self._opened.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    @contextmanager
    def _open(self) -> Iterator[None]:
        size = math.prod(self._shape) * self._dtype.itemsize
        # A file of a project has been seen to lie within it, links followed.
        with replacing(self._path, follow_links=True) as file:
            with _report_errors(self._path):
                self._file = tifffile.TiffWriter(file, bigtiff=size > CLASSIC_LIMIT)
            yield
            with _report_errors(self._path):
                self._file.close()
            if self._written != self._shape[0]:
                raise ValueError(f"{self._written} pages are not a stack {self._shape}.")


def write_stack(
    path: Path,
    stack: Any,
    dtype: Any,
    to_page: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray,
    **options: Any,
) -> None:
    """Write a whole stack as TIF, a page a slice.

    Parameters
    ----------
    path : Path
        The file to write.
    stack : array (Z, Y, X) or (Y, X)
        May be a dask array, which is computed slice by slice.
    dtype : dtype
        Data type of the pages.
    to_page : callable
        Makes the page (Y, X) of a slice (Y, X).
    **options
        ``compression``, ``pixel_size``, ``note`` and ``overwrite`` of :class:`TifWriter`.

    Raises
    ------
    UserError
        As :class:`TifWriter`.
    """
    slices = as_stack(stack)
    with TifWriter(path, tuple(slices.shape), dtype, **options) as writer:
        for page in slices:
            writer.write(to_page(np.asarray(page)))


@contextmanager
def _report_errors(path: Path) -> Iterator[None]:
    """Report what the disk refuses, with the file's name."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(path, error) from error


def _imagej_description(slices: int, pixel_size: PixelSize | None, note: str) -> str:
    lines = ["ImageJ=1.54f", f"images={slices}", f"slices={slices}", "loop=false"]
    if pixel_size is not None:
        lines.append("unit=nm")
        if pixel_size.z is not None:
            lines.append(f"spacing={pixel_size.z}")
    if note:
        lines.append(note)
    return "\n".join(lines) + "\n"
