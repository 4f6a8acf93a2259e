"""How a slice is looked at when it is predicted: at which scale, and which part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from training.stacks.windows import Window


@dataclass(frozen=True)
class SliceView:
    """The scale at which slices are predicted, and the part of them that is wanted.

    Parameters
    ----------
    zoom : tuple of float
        Factors (Y, X) by which a slice is resized to the pixel size of the model's training.
    window : tuple of range or None
        Rows and columns of the slice that are predicted; what lies around them is seen as well, so
        that they come out as in the whole slice. None: all.
    """

    zoom: tuple[float, float] = (1.0, 1.0)
    window: Window | None = None


def cut_window(planes: NDArray[Any], window: Window | None) -> NDArray[Any]:
    """View what lies in a window of planes (Y, X) or (C, Y, X) of any dtype; None: all of them."""
    if window is None:
        return planes
    rows, columns = (slice(wanted.start, wanted.stop) for wanted in window)
    return planes[..., rows, columns]


def grow_window(window: Window, pixels: int, shape: tuple[int, ...]) -> Window:
    """Extend a window on all sides, within an image of some shape (Y, X)."""
    rows, columns = (
        range(max(wanted.start - pixels, 0), min(wanted.stop + pixels, length))
        for wanted, length in zip(window, shape, strict=True)
    )
    return rows, columns


def turn_window(window: Window, shape: tuple[int, ...], is_flipped: bool, quarters: int) -> Window:
    """Give a window's place once its image (Y, X) is flipped along X, then turned by ``rot90``."""
    rows, columns = window
    height, width = shape
    if is_flipped:
        columns = _mirror(columns, width)
    for _ in range(quarters % 4):
        rows, columns = _mirror(columns, width), rows
        height, width = width, height
    return rows, columns


def _mirror(wanted: range, length: int) -> range:
    return range(length - wanted.stop, length - wanted.start)
