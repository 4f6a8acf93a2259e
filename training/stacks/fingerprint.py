"""By what a stack is known again, wherever its file or layer is."""

from __future__ import annotations

import hashlib

import numpy as np

from training.stacks.even_slices import pick_evenly
from training.stacks.scaling import Slices

_SLICES = 3  # that are read; two stacks of tissue share none


def fingerprint(stack: Slices) -> str:
    """Take a hash of a stack's length, and of the pixels of a few slices.

    Parameters
    ----------
    stack : array (Z, Y, X), or a file of slices
        Any dtype; the byte order does not matter. May be a dask array.

    Returns
    -------
    str
        The same for the same pixels in the same dtype.
    """
    found = hashlib.sha256(str(len(stack)).encode())
    for index in pick_evenly(range(len(stack)), _SLICES):
        page = np.asarray(stack[index])
        native = np.ascontiguousarray(page, page.dtype.newbyteorder("="))
        found.update(f"{native.dtype.name} {native.shape}".encode())
        found.update(native.tobytes())
    return found.hexdigest()
