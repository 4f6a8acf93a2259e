"""Images that are computed where they are looked at: resized, shifted, flipped or turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sampling.displacement import Displacement
from training.sampling.resampling import MadeAxis, resize_planes, shifted_axis
from training.stacks.windows import Window

Indices = slice | NDArray[np.intp]
Cut = Callable[[Indices, Indices], NDArray[np.float32]]
"""Gives some rows and columns of an image (Y, X), or of planes (C, Y, X) all alike."""
AxisKind = Callable[[int, int, NDArray[np.intp]], MadeAxis]
"""Such as :func:`training.sampling.resampling.cubic_axis`."""


def cut_from(planes: NDArray[Any], window: Window | None = None) -> Cut:
    """Cut out of an array (Y, X) or (C, Y, X) of any dtype.

    Parameters
    ----------
    window : tuple of range or None
        The rows and columns that the array holds of the image; None: all.
    """
    if window is None:
        return lambda rows, columns: planes[..., rows, :][..., columns]

    def cut(*indices: Indices) -> NDArray[Any]:
        rows, columns = (
            as_slice(as_array(part, held.stop) - held.start)
            for part, held in zip(indices, window, strict=True)
        )
        return planes[..., rows, :][..., columns]

    return cut


def hold(cut: Cut, window: Window) -> Cut:
    """Compute a part of an image, to cut out of that alone: for what is looked at repeatedly."""
    rows, columns = (slice(part.start, part.stop) for part in window)
    return cut_from(cut(rows, columns), window)


def resized(
    cut: Cut,
    shape: tuple[int, int],
    zoomed: tuple[int, int],
    kind: AxisKind,
    limits: tuple[float, float] | None = None,
) -> Cut:
    """Cut out of an image that is resized.

    Parameters
    ----------
    cut : callable
        Of the image.
    shape, zoomed : (int, int)
        (Y, X) before and after.
    kind : callable
        How each axis is resized.
    limits : (float, float) or None
        What the values stay within; None: as they come.
    """
    if shape == zoomed:
        return cut
    kinds = [partial(kind, size, length) for size, length in zip(shape, zoomed, strict=True)]
    made = _made(cut, zoomed, kinds)
    if limits is None:
        return made
    return lambda rows, columns: np.clip(made(rows, columns), *limits)


def shifted(cut: Cut, shape: tuple[int, int], shift: Displacement) -> Cut:
    """Cut out of an image (Y, X) that is shifted bilinearly by pixels (y, x), edges repeated."""
    if not any(shift):
        return cut
    kinds = [partial(shifted_axis, size, by) for size, by in zip(shape, shift, strict=True)]
    return _made(cut, shape, kinds)


def turned(cut: Cut, shape: tuple[int, int], is_flipped: bool, quarters: int) -> Cut:
    """Cut out of an image (Y, X) that is flipped along X, then turned by ``numpy.rot90``."""

    def cut_turned(rows: Indices, columns: Indices) -> NDArray[np.float32]:
        height, width = turned_shape(shape, quarters)
        of_rows, of_columns = as_array(rows, height), as_array(columns, width)
        for _ in range(quarters % 4):  # turned back
            height, width = width, height
            of_rows, of_columns = of_columns, width - 1 - of_rows
        if is_flipped:
            of_columns = width - 1 - of_columns
        found = cut(as_slice(of_rows), as_slice(of_columns))
        return found.swapaxes(-1, -2) if quarters % 2 else found

    return cut_turned


def turned_shape(shape: tuple[int, int], quarters: int) -> tuple[int, int]:
    """Give the shape (Y, X) of an image after quarter turns."""
    return (shape[1], shape[0]) if quarters % 2 else shape


def as_array(indices: Indices, length: int) -> NDArray[np.intp]:
    """List the indices along an axis of some length: an array (N,) of int."""
    return np.arange(length)[indices] if isinstance(indices, slice) else indices


def as_slice(indices: NDArray[np.intp]) -> Indices:
    """Give indices as a slice, which is quicker, where each is one more or less than the last.

    ``indices`` is an array (N,) of int, not empty.
    """
    first, last = int(indices[0]), int(indices[-1])
    steps = np.diff(indices)
    if (steps == 1).all():
        return slice(first, last + 1)
    if (steps == -1).all():
        return slice(first, last - 1 if last else None, -1)
    return indices


def _made(
    cut: Cut, shape: tuple[int, int], kinds: Sequence[Callable[[NDArray[np.intp]], MadeAxis]]
) -> Cut:
    """Cut out of an image (Y, X) whose pixels are each made of some of another."""

    def cut_made(rows: Indices, columns: Indices) -> NDArray[np.float32]:
        wanted = (as_array(part, size) for part, size in zip((rows, columns), shape, strict=True))
        axes = [kind(part) for kind, part in zip(kinds, wanted, strict=True)]
        return resize_planes(cut(*(as_slice(axis.needed) for axis in axes)), axes)

    return cut_made
