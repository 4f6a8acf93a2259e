"""A part of a stack, as a person names it, and where it lies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.formats.pixel_size import Offset, PixelSize
from training.formats.stack import Stack
from training.model.stack_scale import StackScale

Bounds = tuple[tuple[int, int | None], ...]
"""The first pixel along Z, Y and X, and that after the last; None: to the end."""

REGION_FORM = "as in 10:20,0:512,0:512, from the first pixel of each axis to before the last"
_RANGE = re.compile(r"(\d{0,15}):(\d{0,15})|", re.ASCII)


def parse_region(text: str) -> Bounds:
    """Read a region; a part of it that is left out is all of the axis.

    Raises
    ------
    UserError
        If it is none.
    """
    found = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    if len(found) > 3 or not all(found):
        raise UserError(f"{text} is not a region.", f"Give it {REGION_FORM}.")
    bounds = [(int(part[1] or 0), int(part[2]) if part[2] else None) for part in found if part]
    return (*bounds, *[(0, None)] * (3 - len(bounds)))


def region_text(region: Bounds) -> str:
    """Write a region so that :func:`parse_region` reads it; empty for the whole stack."""
    text = ",".join(f"{start}:{'' if stop is None else stop}" for start, stop in region)
    return "" if parse_region("") == region else text


class StackPart:
    """A part of a stack.

    Parameters
    ----------
    stack : Stack
        The whole.
    region : tuple of (int, int or None)
        Where the part lies.
    scale : StackScale
        Says the stack's pixel size.

    Attributes
    ----------
    shape : tuple of int
        (Z, Y, X) of the part.
    indices : range
        Its slices.
    window : tuple of range
        Its rows and columns.
    pixel_size : PixelSize or None
        The stack's, in nm.
    offset : Offset
        Where the part begins, in nm.

    Raises
    ------
    UserError
        If the region is not in the stack.
    """

    def __init__(self, stack: Stack, region: Bounds, scale: StackScale) -> None:
        self.indices, rows, columns = (
            _range_of(axis, bounds, length, stack.path)
            for axis, bounds, length in zip("ZYX", region, stack.shape, strict=True)
        )
        self.window = rows, columns
        self.shape = len(self.indices), len(rows), len(columns)
        self.pixel_size = scale.size_of(stack)
        corner = self.indices.start, rows.start, columns.start
        self.offset = moved_offset(stack.offset, corner, self.pixel_size)

    @property
    def place(self) -> dict[str, Any]:
        """What a file keeps of where the part lies, see :class:`StackWriter`."""
        return {"pixel_size": self.pixel_size, "offset": self.offset}


def moved_offset(offset: Offset, corner: tuple[int, int, int], size: PixelSize | None) -> Offset:
    """Give the offset of a part that begins at a pixel (z, y, x) of a stack.

    Parameters
    ----------
    offset : Offset
        Where the stack begins, in nm.
    corner : (int, int, int)
        The first pixel of the part.
    size : PixelSize or None
        The stack's.
    """
    sides = (0.0, 0.0, 0.0) if size is None else (size.z or 0.0, size.y, size.x)
    z, y, x = (
        start + pixel * side for start, pixel, side in zip(offset, corner, sides, strict=True)
    )
    return z, y, x


def _range_of(axis: str, bounds: tuple[int, int | None], length: int, path: Path) -> range:
    start, stop = bounds
    found = range(start, length if stop is None else stop)
    if not found:
        raise UserError(
            f"The region is empty along {axis}: {found.start}:{found.stop}.",
            f"Give it {REGION_FORM}.",
        )
    if found.stop > length:
        raise UserError(
            f"The region reaches to {found.stop} along {axis}, but {path} to {length}.",
            f"Give a region within 0:{length}.",
        )
    return found
