"""Arrays in one file that is there whole or not at all, for programs of ours to read again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.files.atomic_files import write_atomically


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays, compressed, by their names.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``.
    arrays : dict of arrays
        Of any shape, and any dtype but object.

    Raises
    ------
    UnwritableError
        If the disk is full, or refuses it.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_atomically(path, content.getvalue())
