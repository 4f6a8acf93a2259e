"""Smaller copies of slices, half as high and wide each, for viewers of large images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST_SIDE = 256  # pixels; no smaller copy is made of what fits


def count_levels(height: int, width: int) -> int:
    """Count the sizes of a pyramid, the full one among them."""
    levels = 1
    while max(height, width) > SMALLEST_SIDE:
        height, width, levels = -(-height // 2), -(-width // 2), levels + 1
    return levels


def halve(page: NDArray[Any], is_label: bool) -> NDArray[Any]:
    """Make a slice (Y, X) half as large, odd sides rounded up; the dtype stays.

    Parameters
    ----------
    is_label : bool
        Take the value that most of 2 x 2 pixels have, the first of them in doubt; else their mean.
    """
    height, width = page.shape
    is_odd = height % 2 or width % 2
    even = np.pad(page, ((0, height % 2), (0, width % 2)), mode="edge") if is_odd else page
    # Copies: pixels that lie apart are compared in four times the time.
    first, *others = (even[y::2, x::2].flatten() for y in (0, 1) for x in (0, 1))
    shape = even.shape[0] // 2, even.shape[1] // 2
    if not is_label:
        mean: NDArray[Any] = np.mean([first, *others], axis=0, dtype=np.float32).reshape(shape)
        return (mean if page.dtype.kind == "f" else np.rint(mean)).astype(page.dtype)
    # Only where the first is alone can another value be that of more pixels.
    is_alone = first != others[0]
    for other in others[1:]:
        is_alone &= first != other
    alone = np.flatnonzero(is_alone)
    second, third, fourth = (other[alone] for other in others)
    is_second = (second == third) | (second == fourth)
    first[alone] = np.select([is_second, third == fourth], [second, third], first[alone])
    result: NDArray[Any] = first.reshape(shape)
    return result
