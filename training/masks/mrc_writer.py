"""Writing probabilities as MRC, the format of tomography."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.files.atomic_files import replacing
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.masks.stack_writer import StackWriter, lacking_library, report_errors
from training.masks.tif_writer import check_output

MRC_ENDINGS = (".mrc",)
# By https://www.ccpem.ac.uk/mrc_format/mrc2014.php.
_FLOAT32, _VOLUME, _VERSION = 2, 1, 20141
_LITTLE_ENDIAN = (0x44, 0x44, 0, 0)
_ANGSTROM_PER_NM = 10


def check_mrc_output(path: Path, is_label: bool, overwrite: bool = False) -> None:
    """Refuse an MRC file that can't be written.

    Raises
    ------
    UserError
        If it would hold labels; if mrcfile is not installed; as :func:`tif_writer.check_output`.
    """
    if is_label:
        raise UserError(
            f"{path} would be a mask or numbers, but MRC is written for probabilities alone.",
            "End its name in .tif, .zarr or .h5/DATASET.",
        )
    check_output(path, overwrite)
    try:
        import mrcfile  # noqa: F401
    except ImportError:
        raise lacking_library(path, "an MRC file", "mrcfile") from None


class MrcWriter(StackWriter):
    """Writes an MRC file of 32-bit floats (mode 2), with the size of its voxels and their origin.

    Parameters
    ----------
    path, shape, pixel_size, offset
        As :class:`StackWriter`.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    UserError
        As :func:`check_mrc_output`; while writing, if the disk is full.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        *,
        pixel_size: PixelSize | None = None,
        offset: Offset = NO_OFFSET,
        overwrite: bool = False,
    ) -> None:
        check_mrc_output(path, False, overwrite)
        super().__init__(path, shape, "<f4", pixel_size, offset)
        self._file: IO[bytes]
        self._overwrite = overwrite
        self._statistics = _Statistics()

    def _append(self, page: NDArray[Any]) -> None:
        self._statistics.add(page)
        self._file.write(page.tobytes())

    @contextmanager
    def _open(self) -> Iterator[None]:
        options = {"overwrite": self._overwrite, "follow_links": True, "is_result": True}
        with replacing(self._path, **options) as self._file:
            with report_errors(self._path):
                self._file.write(self._header())
            yield
            self._check_whole()
            with report_errors(self._path):
                self._file.seek(0)
                self._file.write(self._header())

    def _header(self) -> bytes:
        from mrcfile.dtypes import HEADER_DTYPE

        header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
        depth, height, width = self._shape
        for names, counts in (("nx ny nz", "xyz"), ("mx my mz", "xyz")):
            sizes = {"x": width, "y": height, "z": depth}
            for name, axis in zip(names.split(), counts, strict=True):
                header[name] = sizes[axis]
        if self._pixel_size is not None:
            size = self._pixel_size
            lengths = (size.x * width, size.y * height, (size.z or 0) * depth)
            header["cella"] = tuple(_ANGSTROM_PER_NM * length for length in lengths)
        header["origin"] = tuple(_ANGSTROM_PER_NM * start for start in reversed(self._offset))
        header["cellb"] = (90, 90, 90)
        header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
        header["mode"], header["ispg"], header["nversion"] = _FLOAT32, _VOLUME, _VERSION
        header["map"], header["machst"] = b"MAP ", _LITTLE_ENDIAN
        for name, value in self._statistics.fields().items():
            header[name] = value
        return header.tobytes()


class _Statistics:
    """The least, largest and mean value of pages, and their spread."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self._sum = self._squares = 0.0
        self._count = 0

    def add(self, page: NDArray[np.float32]) -> None:
        self._low, self._high = min(self._low, page.min()), max(self._high, page.max())
        self._sum += float(page.sum(dtype=np.float64))
        self._squares += float(np.square(page, dtype=np.float64).sum())
        self._count += page.size

    def fields(self) -> dict[str, float]:
        if not self._count:
            return {}
        mean = self._sum / self._count
        spread = max(self._squares / self._count - mean**2, 0) ** 0.5
        return {"dmin": self._low, "dmax": self._high, "dmean": mean, "rms": spread}
