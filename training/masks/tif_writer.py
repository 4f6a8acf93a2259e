"""Writing masks and probabilities as multi-page TIF, slice by slice, with pixel sizes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tifffile

from training.errors import UserError
from training.files.atomic_files import UnwritableError, replacing, try_to_write
from training.formats.pixel_size import PixelSize
from training.masks.stack_writer import StackWriter, report_errors

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
    check_folder(path)


def check_folder(path: Path) -> None:
    """Refuse a path whose folder is not there, or may not be written to.

    Raises
    ------
    UserError
        That says what is wrong with the folder.
    """
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise UserError(
            f"{path} can't be written: there is no folder {folder}.", "Make the folder first."
        )
    try:
        try_to_write(folder / path.name)
    except PermissionError:
        raise UserError(
            f"{path} can't be written: the folder is read-only.",
            "Choose a folder that you may write to.",
        ) from None
    except OSError as error:
        raise UnwritableError(path, error) from error


class TifWriter(StackWriter):
    """Writes a TIF, a page a slice. ImageJ reads it as a stack, with pixel sizes.

    Parameters
    ----------
    path, shape, dtype, pixel_size
        As :class:`StackWriter`.
    compression : str or None
        ``zlib``, or None for uncompressed pages.
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
        check_output(path, overwrite)
        super().__init__(path, shape, dtype, pixel_size)
        self._compression, self._overwrite = compression, overwrite
        self._description = _imagej_description(shape[0], pixel_size, note)
        self._resolution = (
            (1 / pixel_size.x, 1 / pixel_size.y) if pixel_size is not None else (1, 1)
        )

    def write_compressed(self, page: bytes) -> None:
        """Append one slice whose pixels, of the file's dtype, are compressed with zlib already."""
        rows = self._shape[1]
        with report_errors(self._path):
            self._append(iter([page]), shape=self._shape[1:], dtype=self._dtype, rowsperstrip=rows)
        self._written += 1

    def _append(self, page: Any, **layout: Any) -> None:
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

    @contextmanager
    def _open(self) -> Iterator[None]:
        size = math.prod(self._shape) * self._dtype.itemsize
        # A file of a project has been seen to lie within it, links followed.
        options = {"overwrite": self._overwrite, "follow_links": True, "is_result": True}
        with replacing(self._path, **options) as file:
            with report_errors(self._path):
                self._file = tifffile.TiffWriter(file, bigtiff=size > CLASSIC_LIMIT)
            yield
            with report_errors(self._path):
                self._file.close()
            self._check_whole()


def _imagej_description(slices: int, pixel_size: PixelSize | None, note: str) -> str:
    lines = ["ImageJ=1.54f", f"images={slices}", f"slices={slices}", "loop=false"]
    if pixel_size is not None:
        lines.append("unit=nm")
        if pixel_size.z is not None:
            lines.append(f"spacing={pixel_size.z}")
    if note:
        lines.append(note)
    return "\n".join(lines) + "\n"
