"""A disk that is soon full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, limit: str) -> Iterator[None]:
    """Mount one at a new folder, with an option of tmpfs that limits it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", limit, "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can't be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
