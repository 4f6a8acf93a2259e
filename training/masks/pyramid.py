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
    even = np.pad(page, ((0, height % 2), (0, width % 2)), mode="edge")
    blocks = np.stack([even[y::2, x::2] for y in (0, 1) for x in (0, 1)])
    if not is_label:
        mean: NDArray[Any] = blocks.mean(axis=0, dtype=np.float32)
        return (mean if page.dtype.kind == "f" else np.rint(mean)).astype(page.dtype)
    votes = np.stack([(blocks == candidate).sum(axis=0) for candidate in blocks])
    result: NDArray[Any] = np.take_along_axis(blocks, votes.argmax(axis=0)[np.newaxis], 0)[0]
    return result
