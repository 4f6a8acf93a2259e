"""Arrays for whole stacks, which may be larger than the memory."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

IN_MEMORY_BYTES = 2**30


def allocate(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array of zeros; a large one lies in a file without a name, not in memory.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) or (Y, X).
    dtype : dtype

    Raises
    ------
    OSError
        If there is no room for the file.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return np.memmap(file, dtype, mode="r+", shape=shape)
