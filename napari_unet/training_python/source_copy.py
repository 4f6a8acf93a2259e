"""Copies of the ``training`` package, for a Python in which it is not installed.

Not the folder that this program has it from: that holds NumPy and much else besides, for another
Python. A training keeps its copy while this package is updated.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from napari_unet.training_python.places import sources
from training.files.atomic_files import UnwritableError

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
        target = sources() / _digest(package)
        if not target.exists():
            try:
                _copy(package, target)
            except OSError as error:
                raise UnwritableError(target, error) from error
    return target


def _digest(package: Path) -> str:
    """A hash of what the package's files hold and are called."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and _LEFT_OUT not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def _copy(package: Path, target: Path) -> None:
    """Copy under another name first, for the target is there as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        made = Path(folder) / target.name
        shutil.copytree(package, made / _PACKAGE, ignore=shutil.ignore_patterns(_LEFT_OUT))
        try:
            made.rename(target)
        except OSError:
            if not target.exists():  # else another program was quicker
                raise
