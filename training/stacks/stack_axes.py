"""Stacks and single slices, treated alike, whatever axes of one layer lie before theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np


def is_stack(pixels: Any) -> bool:
    """Return whether an array is a slice (Y, X) or a stack (Z, Y, X).

    Axes of length 1 may lie before these: (1, Z, Y, X), or (1, 1, Z, Y, X).
    """
    return len(pixels.shape) >= 2 and math.prod(pixels.shape[:-3]) == 1


def as_stack(pixels: Any) -> Any:
    """View a slice (Y, X) as a stack (1, Y, X); a stack (Z, Y, X) is returned as it is.

    Parameters
    ----------
    pixels : array (Y, X), (Z, Y, X), or (1, ..., Z, Y, X)
        Any dtype. A NumPy array shares its memory with the result; a dask array stays lazy. One
        that can be indexed and no more, as zarr's, is read when the result is.
    """
    if pixels.ndim == 3 and hasattr(pixels, "__len__"):
        return pixels
    if not hasattr(pixels, "__array_function__"):
        return _Slices(pixels)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels[(0,) * (pixels.ndim - 3)]


class _Slices:
    """Pixels (Y, X) or (..., Z, Y, X) that can only be indexed, as a sequence of slices."""

    ndim = 3

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels
        self.shape = (1, *pixels.shape)[-3:]
        self.dtype = pixels.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> Any:
        if self._pixels.ndim == 2:
            return np.asarray(self._pixels)[np.newaxis][key]
        place = key if isinstance(key, tuple) else (key,)
        return self._pixels[(*(0,) * (self._pixels.ndim - 3), *place)]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))
