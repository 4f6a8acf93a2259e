"""What the values of a TIF's pixels look like: as they are, inverted, or by a palette."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from training.errors import UserError
from training.stacks.label_pixels import look_like_labels

SMOOTH_STEP = 2**13  # between neighbouring colours of a lookup table, of 2**16


@dataclass(frozen=True)
class Tone:
    """How stored values become those that people see, where 0 is black.

    Parameters
    ----------
    white : int or None
        The stored value that is black, where 0 is white.
    greys : array (N,) of uint8 or None
        The grey of each stored value.
    """

    white: int | None = None
    greys: NDArray[np.uint8] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether values are stored as they are seen."""
        return self.white is None and self.greys is None

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Find the dtype of seen pixels of a stored dtype."""
        return stored if self.greys is None else self.greys.dtype

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Convert stored pixels (Y, X) to seen ones, of :meth:`dtype`."""
        if self.greys is not None:
            return self.greys.take(pixels)
        if self.white is None:
            return pixels
        return ~pixels if pixels.dtype == bool else pixels.dtype.type(self.white) - pixels


def find_tone(page: Any, path: Path, read_sample: Callable[[], NDArray[Any]]) -> Tone:
    """Find what the values of a page look like.

    A palette whose colours are all grey gives these greys. With another palette, numbers of
    objects or classes stay what they are.

    Parameters
    ----------
    page : tifffile.TiffPage
        With the tags of all slices.
    path : Path
        The file, for messages.
    read_sample : callable
        Reads some slices (Z, Y, X) of stored values, of the page's dtype.

    Raises
    ------
    UserError
        For other palettes, and where 0 is white but the darkest value is not known.
    """
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        if page.dtype.kind not in "bu":
            raise UserError(
                f"{path} is shown inverted, and its pixels are {page.dtype}.",
                "In Fiji, choose Image > Lookup Tables > Invert LUT, then Edit > Invert, and "
                "save it again.",
            )
        return Tone(white=2**page.bitspersample - 1)
    if page.photometric != tifffile.PHOTOMETRIC.PALETTE or page.colormap is None:
        return Tone()
    colors = np.asarray(page.colormap)
    if np.all(colors == colors[0]):
        # Some programs write 8-bit colours where the standard wants 16.
        shift = 8 if colors.max() > 255 else 0
        return Tone(greys=(colors[0] >> shift).astype(np.uint8))
    if look_like_labels(read_sample()):
        return Tone()
    is_lookup_table = np.abs(np.diff(colors.astype(np.int32))).max() <= SMOOTH_STEP
    commands = (
        "Image > Lookup Tables > Grays"
        if is_lookup_table
        else "Image > Type > RGB Color, then Image > Type > 8-bit"
    )
    raise UserError(
        f"{path} has a palette of colours.", f"In Fiji, choose {commands}, and save it again."
    )
