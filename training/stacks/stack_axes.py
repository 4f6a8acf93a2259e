"""Stacks and single slices, treated alike."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_stack(pixels: Any) -> Any:
    """View a slice (Y, X) as a stack (1, Y, X); a stack (Z, Y, X) is returned as it is.

    Parameters
    ----------
    pixels : array (Y, X) or (Z, Y, X)
        Any dtype. A NumPy array shares its memory with the result; a dask array stays lazy.
    """
    return pixels if pixels.ndim == 3 else pixels[np.newaxis]
