"""Telling labels from images by their pixels alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 64  # of a slice that are looked at
EVEN_SHARE = 0.8
OBJECT_SHARE = 0.6
MOST_CLASSES = 16


def are_even(sample: NDArray[Any]) -> bool:
    """Return whether most neighbouring pixels are equal, as those of labels are.

    Parameters
    ----------
    sample : array (Z, Y, X)
        Some slices of a stack, of any dtype.
    """
    return bool(np.mean(sample[..., 1:] == sample[..., :-1]) >= EVEN_SHARE)


def look_like_labels(sample: NDArray[Any]) -> bool:
    """Return whether pixels look like classes, or like numbers of objects.

    Both are integers, mostly equal to their neighbours. An image with wide black or white areas
    is so too, but not in the rest of it; neither does it have just a few values.

    Parameters
    ----------
    sample : array (Z, Y, X)
        Some slices of a stack, of any dtype.
    """
    if sample.dtype.kind not in "bui" or sample.shape[-1] < 2:
        return False
    rows = sample[:, :: max(1, sample.shape[1] // ROWS)]
    values = np.unique(rows)
    if len(values) < 2 or not are_even(rows):
        return False
    if len(values) <= MOST_CLASSES:
        return True
    left, right = rows[..., :-1], rows[..., 1:]
    is_even = left == right
    is_blank = is_even & ((left == 0) | np.isin(left, values[[0, -1]]))
    return bool(np.count_nonzero(is_even & ~is_blank) >= OBJECT_SHARE * np.count_nonzero(~is_blank))
