"""What Windows refuses while a program has a file open: to replace it, rename it or delete it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 3.0  # seconds: readers of ours, and virus scanners, are through by then
_PAUSE = 0.02  # seconds between two tries


def once_closed(change: Callable[[], object], patience: float = PATIENCE) -> None:
    """Replace, rename or delete something, on Windows when whoever has it open has closed it.

    Raises
    ------
    PermissionError
        If it is still open after ``patience`` seconds, or this may not be done at all.
    OSError
        As ``change`` raises it.
    """
    deadline = time.monotonic() + (patience if sys.platform == "win32" else 0.0)
    while True:
        try:
            change()
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


def is_open_elsewhere(error: OSError) -> bool:
    """Whether something was refused because a program has the file open, as far as can be seen."""
    return sys.platform == "win32" and isinstance(error, PermissionError)


def remove_folder(folder: Path) -> None:
    """Delete a folder with all that is in it; errors as :func:`once_closed`."""
    once_closed(lambda: shutil.rmtree(folder))
