"""Memory that is freed and soon needed again, such as that of tiles."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_KEPT = 64 * 2**20  # bytes at the end of each heap
_LARGEST = 32 * 2**20  # bytes at once, the most that glibc takes from a heap
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # by malloc.h


def keep_freed_memory() -> None:
    """Keep memory that is freed, on Linux with glibc, for the rest of the process.

    Else some MiB are given back after each tile, and each of their pages costs time again.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # of another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_TRIM_THRESHOLD, _KEPT)
            mallopt(_MMAP_THRESHOLD, _LARGEST)
