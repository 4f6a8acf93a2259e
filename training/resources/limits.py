"""How much memory and how many cores this process may use, which may be less than are there."""

from __future__ import annotations

import math
import os

import psutil

from training.resources.cgroups import core_limits, memory_limits


def free_memory() -> int:
    """Give the bytes that this process may still take without being killed for it."""
    return min([psutil.virtual_memory().available, *(found.free for found in memory_limits())])


def memory_to_take(asked: float | None = None) -> float:
    """Give the bytes that one piece of work may take: as asked, else half of what is free."""
    return free_memory() / 2 if asked is None else asked


def memory_limit() -> int | None:
    """Give the bytes that this process' groups may take; None: all that there are."""
    total = psutil.virtual_memory().total
    limit = min((found.limit for found in memory_limits()), default=total)
    return limit if limit < total else None


def usable_cores() -> int:
    """Count the cores that this process may use; a part of one counts as one."""
    process, cores = psutil.Process(), [os.cpu_count() or 1]
    if hasattr(process, "cpu_affinity"):  # not on macOS
        cores.append(len(process.cpu_affinity()) or cores[0])
    return min([*cores, *map(math.ceil, core_limits())])


def threads_to_set() -> int:
    """Count the threads that a library must be told of; 0: it may use all cores, as it does."""
    cores = usable_cores()
    return 0 if cores == os.cpu_count() else cores
