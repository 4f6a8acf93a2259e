"""A DM3 or DM4 file, of Gatan's DigitalMicrograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from training.errors import UserError
from training.files.untrusted_files import open_regular
from training.formats.chunked_stack import ChunkedStack, missing_library, unreadable
from training.formats.grey_axes import find_grey_axes
from training.formats.pixel_size import PixelSize, nanometres
from training.formats.tif_structure import OtherImageError


class DmStack(ChunkedStack):
    """The image of a DM3 or DM4 file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OtherImageError
        If it has several images, or a spectrum, colours or complex numbers.
    UserError
        If rosettasciio is not installed, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.name = path, path.name.split(".")[0]
        try:
            from rsciio.digitalmicrograph import file_reader
        except ImportError:
            needed = "rosettasciio", "napari-unet-mindspore[dm]"
            raise missing_library(path, "a file of DigitalMicrograph", *needed) from None
        try:
            _check_byte_order(path)
            images = file_reader(str(path), lazy=True)
        except UserError:
            raise
        except Exception as error:  # it raises many kinds for damaged files
            raise unreadable(path, error) from error
        if len(images) != 1:
            raise OtherImageError(
                f"{path} holds {len(images)} images.", "Save one of them as a file of its own."
            )
        image = images[0]
        self._pixels = image["data"]
        if self._pixels.dtype.kind not in "buif":
            raise OtherImageError(f"{path} has pixels of type {self._pixels.dtype}, not numbers.")
        _check_units(image["axes"], path)
        self._axes = find_grey_axes(self._pixels.shape, "", path)
        self.shape, self.dtype = self._axes.shape, self._pixels.dtype.newbyteorder("=")
        self.check_size()
        self.pixel_size = _pixel_size(image["axes"])

    def read_slab(self, start: int, stop: int) -> NDArray[Any]:
        """Read slices (Z, Y, X), of the file's dtype."""
        return self._axes.read(self._pixels, start, stop)

    def close(self) -> None:
        """Let go of the file."""
        self._slab = None


def _check_byte_order(path: Path) -> None:
    """Refuse a file of a big-endian machine, whose pixels rosettasciio reads the other way."""
    with open_regular(path) as file:
        header = file.read(16)
    place = 12 if header[3] == 4 else 8  # the version decides how long a size is
    if header[place : place + 4] == b"\0\0\0\0":
        raise UserError(
            f"{path} was written by a big-endian machine.",
            "Open it in DigitalMicrograph or Fiji, and save it as TIF.",
        )


def _check_units(axes: list[dict[str, Any]], path: Path) -> None:
    """Refuse axes of energies, and of spatial frequencies."""
    for axis in axes:
        unit = str(axis.get("units", ""))
        if unit.endswith("eV"):
            kind = "a spectrum"
        elif unit.startswith("1/"):
            kind = "a diffraction pattern or a Fourier transform"
        else:
            continue
        raise OtherImageError(
            f"{path} is {kind}: an axis of it is in {unit}.", "Give an image of the specimen."
        )


def _pixel_size(axes: list[dict[str, Any]]) -> PixelSize | None:
    """Find the pixel size by the last three axes, (Z, Y, X)."""
    lengths = [_length(axis) for axis in axes[-3:]]
    z, y, x = [None] * (3 - len(lengths)) + lengths
    return PixelSize.of(z, y, x)


def _length(axis: dict[str, Any]) -> float | None:
    factor = nanometres(str(axis.get("units", "")))
    scale = axis.get("scale")
    return abs(float(scale)) * factor if factor and isinstance(scale, (int, float)) else None
