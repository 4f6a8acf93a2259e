"""An MRC file: the format of cryo-EM and tomography, which CCP4, IMOD and microscopes write."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.files.untrusted_files import open_regular
from training.formats.chunked_stack import missing_library, unreadable
from training.formats.pixel_size import Offset, PixelSize, read_offset
from training.formats.stack import Stack
from training.formats.tif_structure import OtherImageError

# By https://www.ccpem.ac.uk/mrc_format/mrc2014.php; IMOD's fields: https://bio3d.colorado.edu/imod/doc/mrc_format.txt.
_COMPLEX, _COLOURS = (3, 4), 16
_IMOD_FIELDS, _IMOD_STAMP, _SIGNED_BYTES, _USUAL_ORIGIN = 40, 1146047817, 1, 4
_HEADER_BYTES, _EXTENDED, _STAMP, _BIG_ENDIAN = 1024, 92, 212, 0x11
_NM_PER_ANGSTROM = 0.1


class MrcStack(Stack):
    """The sections of an MRC file, mapped, in the order in which they lie in the file.

    The first row of a section is the first in the file, as Python tools have it; IMOD shows it at
    the bottom.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OtherImageError
        If it has colours, complex numbers, or several volumes.
    UserError
        If mrcfile is not installed, or the file is damaged or truncated.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name.split(".")[0]
        try:
            import mrcfile
        except ImportError:
            raise missing_library(path, "an MRC file", "mrcfile", "mrcfile") from None
        try:
            _check_header(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of old headers, and bytes after the pixels
                with mrcfile.mmap(path, "r", permissive=True) as file:
                    header, pixels, voxel_size = file.header, file.data, file.voxel_size
                    _check_kind(header, pixels, path)
                    pixels = _in_order(np.asarray(pixels), header, path)
        except UserError:
            raise
        except Exception as error:  # mrcfile raises many kinds
            raise unreadable(path, error) from error
        self._pixels: NDArray[Any] = pixels
        depth, height, width = pixels.shape
        self.shape, self.dtype = (depth, height, width), pixels.dtype.newbyteorder("=")
        self.pixel_size, self.offset = _pixel_size(voxel_size), _offset(header)

    @property
    def mapped(self) -> NDArray[Any]:
        """The pixels (Z, Y, X), of :attr:`dtype` in the file's byte order."""
        return self._pixels

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of :attr:`dtype`, see :meth:`Stack.read`.

        Raises
        ------
        UserError
            If the stack is closed.
        """
        if not len(self._pixels):
            raise UserError(f"{self.path} is closed.")
        return np.array(self._pixels[index], self.dtype)

    def close(self) -> None:
        """Give up the mapping, which goes with the last array of it."""
        self._pixels = np.empty((0, *self.shape[1:]), self.dtype)


def _check_header(path: Path) -> None:
    """Refuse an extended header longer than the file, for which mrcfile would take the memory."""
    with open_regular(path) as file:
        header = file.read(_HEADER_BYTES)
    order = ">" if header[_STAMP] == _BIG_ENDIAN else "<"
    [extended] = np.frombuffer(header, f"{order}i4", 1, _EXTENDED)
    if not 0 <= extended <= path.stat().st_size - _HEADER_BYTES:
        raise UserError(f"{path} ends in the middle of its header.", "Copy it again.")


def _check_kind(header: Any, pixels: Any, path: Path) -> None:
    mode = int(header.mode)
    if mode in _COMPLEX or mode == _COLOURS:
        kind = "colours" if mode == _COLOURS else "complex numbers"
        raise OtherImageError(f"{path} is an MRC file of {kind}.", "Give one of grey sections.")
    if pixels is None:
        size, counts = path.stat().st_size, (header.nz, header.ny, header.nx)
        shape = " x ".join(str(int(count)) for count in counts)
        raise UserError(
            f"{path} ends in the middle of its pixels, or its header is damaged: {size} bytes for "
            f"{shape} pixels of mode {mode}.",
            "Copy it again.",
        )
    if pixels.ndim > 3 and len(pixels) > 1:
        raise OtherImageError(
            f"{path} holds {len(pixels)} volumes.", "Save one of them as a file of its own."
        )
    if not pixels.size:
        raise UserError(f"{path} is empty: its shape is {pixels.shape}.")


def _in_order(pixels: NDArray[Any], header: Any, path: Path) -> NDArray[Any]:
    """View pixels as (Z, Y, X), with bytes as their writer meant them."""
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    if pixels.dtype == np.int8 and _has_unsigned_bytes(header, pixels):
        pixels = pixels.view(np.uint8)
    axes = [int(header.maps), int(header.mapr), int(header.mapc)]  # 1 is x, 3 is z
    if axes in ([3, 2, 1], [0, 0, 0]):
        return pixels
    if sorted(axes) != [1, 2, 3]:
        raise UserError(f"{path} has axes that can't be: {axes}.", "Its header is damaged.")
    return pixels.transpose([axes.index(axis) for axis in (3, 2, 1)])


def _has_unsigned_bytes(header: Any, pixels: NDArray[np.int8]) -> bool:
    """Return whether bytes (Z, Y, X) go from 0 to 255, as before the format had them signed."""
    flags = _imod_flags(header)
    if flags is not None:
        return not flags & _SIGNED_BYTES
    if header.dmin < header.dmax:
        return bool(header.dmax > np.iinfo(np.int8).max)
    # A writer that left the range out may be of either kind: wrongly read, greys wrap around.
    middle = pixels[len(pixels) // 2]
    return bool(_steps(middle.view(np.uint8)) < _steps(middle))


def _steps(page: NDArray[Any]) -> float:
    """Give how much neighbours in the rows of a slice (Y, X) differ."""
    return float(np.abs(np.diff(page.astype(np.int16), axis=-1)).sum(dtype=float))


def _imod_flags(header: Any) -> int | None:
    """Read what IMOD, or a program that does as it does, says of a file; None of any other."""
    order = header.nx.dtype.byteorder
    stamp, flags = np.frombuffer(header.extra2.tobytes(), f"{order}i4", 2, _IMOD_FIELDS)
    return int(flags) if stamp == _IMOD_STAMP else None


def _pixel_size(voxel_size: Any) -> PixelSize | None:
    z, y, x = (_NM_PER_ANGSTROM * float(voxel_size[axis]) for axis in "zyx")
    return PixelSize.of(z, y, x)


def _offset(header: Any) -> Offset:
    """Find where the first voxel is; IMOD records where the volume begins as seen from it."""
    flags = _imod_flags(header)
    sign = 1 if flags is None or flags & _USUAL_ORIGIN else -1
    z, y, x = (sign * _NM_PER_ANGSTROM * float(header.origin[axis]) for axis in "zyx")
    return read_offset(z, y, x)
