"""Arrays for whole stacks, which may be larger than the memory."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.resources.limits import memory_to_take

IN_MEMORY_BYTES = 2**30
_DISK = "/var/tmp"  # noqa: S108, nothing there has a name. Unix keeps it on a disk, where /tmp may be in memory
_MORE_ROOM = "start again with TMPDIR set to a folder that has more room."


def scratch_folder() -> Path:
    """Give the folder for large files without a name: a person's, or one that is on a disk."""
    is_chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    is_on_disk = not is_chosen and os.access(_DISK, os.W_OK)
    return Path(_DISK if is_on_disk else tempfile.gettempdir())


def allocate(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array of zeros; a large one lies in a file without a name, not in memory.

    The room of the file is taken at once, because a disk that is full later on would end the
    program at the next write to the array.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) or (Y, X).
    dtype : dtype

    Raises
    ------
    UserError
        If there is no room for the file.
    """
    if size_of(shape, dtype) <= IN_MEMORY_BYTES:
        return np.zeros(shape, dtype)
    return _in_file("A file for the whole stack", shape, dtype, f"Free some, or {_MORE_ROOM}")


def allocate_to_fill(
    what: str, shape: tuple[int, ...], dtype: DTypeLike, remedy: str
) -> NDArray[Any]:
    """Make an array of any values in memory, or in a file without a name if it does not fit there.

    The room of the file is taken at once, as in :func:`allocate`.

    Parameters
    ----------
    what : str
        Is held by it, such as "A copy of 'neurons'".
    shape : tuple of int
        (Z, Y, X) or (Y, X), or with axes of length 1 before these.
    dtype : dtype
    remedy : str
        What to do where it fits nowhere.

    Raises
    ------
    UserError
        If it fits nowhere.
    """
    if fits_in_memory(size_of(shape, dtype)):
        return np.empty(shape, dtype)
    return _in_file(what, shape, dtype, f"{remedy}, or {_MORE_ROOM}")


def size_of(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    """Give the bytes of an array."""
    return math.prod(shape) * np.dtype(dtype).itemsize


def fits_in_memory(size: int) -> bool:
    """Return whether so many bytes are at most half of the memory that is free now."""
    return size <= memory_to_take()


def _in_file(what: str, shape: tuple[int, ...], dtype: DTypeLike, remedy: str) -> NDArray[Any]:
    size, folder = size_of(shape, dtype), scratch_folder()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UserError(
            f"{what} takes {size / 2**30:.1f} GiB, and the disk of {folder} has "
            f"{free / 2**30:.1f} GiB free.",
            remedy,
        )
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
            return np.memmap(file, dtype, mode="r+", shape=shape)
    except OSError as error:
        raise UnwritableError(folder, error) from error
