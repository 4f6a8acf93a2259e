"""Pixels that can only be indexed, as zarr's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class IndexedPixels:
    """Has a shape and a dtype, and takes numbers and slices; no length, no further axes."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = pixels
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        if None in keys:
            raise IndexError("unsupported selection item for basic indexing: None")
        return np.asarray(self._pixels[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._pixels, dtype)
