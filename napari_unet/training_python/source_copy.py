"""Copies of the ``training`` package, for a Python in which it is not installed.

Not the folder that this program has it from: that holds NumPy and much else besides, for another
Python. A training keeps its copy while this package is updated.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from napari_unet.training_python.places import sources
from training.files.atomic_files import UnwritableError
from training.files.atomic_folders import copy_folder
from training.files.file_locks import hold_lock

_PACKAGE = "training"
_LEFT_OUT = "__pycache__"


def copy_source() -> Path:
    """Copy the package, unless there is a copy of it as it is now; for ``PYTHONPATH``.

    Raises
    ------
    UnwritableError
        If it can't be written.
    """
    with resources.as_file(resources.files(_PACKAGE)) as package:
        copy = sources() / _digest(package) / _PACKAGE
        if not copy.exists():
            try:
                copy.parent.mkdir(parents=True, exist_ok=True)
                with hold_lock(copy):
                    if not copy.exists():  # else another program was quicker
                        copy_folder(package, copy, _LEFT_OUT)
            except OSError as error:
                raise UnwritableError(copy, error) from error
    return copy.parent


def _digest(package: Path) -> str:
    """A hash of what the package's files hold and are called."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and _LEFT_OUT not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:16]
