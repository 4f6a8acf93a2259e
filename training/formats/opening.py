"""Opening a stack by where it is, whatever its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.formats.stack import Stack
from training.formats.tif_stack import TifStack


def open_stack(path: str | Path, what: str = "images") -> Stack:
    """Open a stack to read it slice by slice.

    Parameters
    ----------
    path : str or Path
        A file or a folder.
    what : str
        What it should hold, for messages: "images" or "labels".

    Raises
    ------
    OtherImageError
        If it is an image that has colours, channels, times or slices that differ.
    UserError
        If it is missing, damaged, or of no format that is read.
    """
    return TifStack(Path(path), what)


def read_stack(path: str | Path, what: str = "images") -> NDArray[Any]:
    """Read all slices of a stack.

    Parameters
    ----------
    path, what
        As :func:`open_stack`.

    Returns
    -------
    array (Z, Y, X)
        Of the stack's dtype.

    Raises
    ------
    UserError
        As :func:`open_stack`, and for damaged data, and NaN or infinite pixels.
    """
    with open_stack(path, what) as stack:
        pages = np.empty(stack.shape, stack.dtype)
        for index, page in enumerate(stack):
            pages[index] = page
        return pages
