"""By what a stack is known again, wherever its file or layer is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    picked = pick_evenly(range(len(stack)), _SLICES)
    return _hash(str(len(stack)), (np.asarray(stack[index]) for index in picked))


def fingerprint_labels(codes: Mapping[int, NDArray[np.uint8]]) -> str:
    """Take a hash of labelled slices: every pixel of arrays (Y, X) of uint8, by index."""
    return _hash(str(sorted(codes)), (codes[index] for index in sorted(codes)))


def _hash(start: str, pages: Iterable[NDArray[Any]]) -> str:
    found = hashlib.sha256(start.encode())
    for page in pages:
        native = np.ascontiguousarray(page, page.dtype.newbyteorder("="))
        found.update(f"{native.dtype.name} {native.shape}".encode())
        found.update(native.tobytes())
    return found.hexdigest()
