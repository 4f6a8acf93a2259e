"""Where the Python that trains lies, with all that belongs to it: in the user's data folder."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder that holds all of it, and nothing else."""
    return Path(platformdirs.user_data_dir("napari-unet")) / "training-python"


def lock_file() -> Path:
    """The file that is locked while something in :func:`home` is made or removed."""
    return home().with_name(".training-python.lock")


def choice_file() -> Path:
    """The file that names the Python; written last, so that what is half made is not used."""
    return home() / "python.json"


def environment() -> Path:
    """The environment that uv makes."""
    return home() / "environment"


def environment_python() -> Path:
    """The interpreter of :func:`environment`."""
    name = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    return environment() / name


def wheels() -> Path:
    """What was loaded, until it is installed."""
    return home() / "wheels"


def cache() -> Path:
    """What uv unpacked, until it is installed."""
    return home() / "cache"


def interpreters() -> Path:
    """The Pythons that uv loaded, where the system has none that fits."""
    return home() / "interpreters"


def sources() -> Path:
    """The copies of the ``training`` package that trainings run."""
    return home() / "source"
