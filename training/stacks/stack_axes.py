"""Stacks and single slices, treated alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def as_stack(pixels: Any) -> Any:
    """View a slice (Y, X) as a stack (1, Y, X); a stack (Z, Y, X) is returned as it is.

    Parameters
    ----------
    pixels : array (Y, X) or (Z, Y, X)
        Any dtype. A NumPy array shares its memory with the result; a dask array stays lazy. One
        that can be indexed and no more, as zarr's, is read when the result is.
    """
    if pixels.ndim == 3 and hasattr(pixels, "__len__"):
        return pixels
    return pixels[np.newaxis] if hasattr(pixels, "__array_function__") else _Slices(pixels)


class _Slices:
    """Pixels (Y, X) or (Z, Y, X) that can only be indexed, as a sequence of slices."""

    ndim = 3

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels
        self.shape = (1, *pixels.shape)[-3:]
        self.dtype = pixels.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> Any:
        is_stack = self._pixels.ndim == 3
        return self._pixels[key] if is_stack else np.asarray(self._pixels)[np.newaxis][key]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))
