"""A server named lab whose Python predicts in no time, and a folder with a stack to work in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.launchers.servers.profiles import Profile, save_profile
from tests.napari_unet.launchers.servers.conftest import client_key, home, sshd, unknown_sshd
from tests.napari_unet.launchers.servers.loopback.quick_server import install_quick_python
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd

__all__ = ["client_key", "home", "sshd", "unknown_sshd"]

PROGRAM = str(Path(sys.executable).with_name("napari-unet"))
TypeIn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lab(sshd: Sshd, tmp_path: Path) -> Profile:
    profile = sshd.profile(name="lab", activate=install_quick_python(tmp_path / "quick python"))
    save_profile(profile)
    return profile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a person works, with a stack of 16 bits and its pixel size."""
    folder = tmp_path / "where I work"
    folder.mkdir()
    pages = np.random.default_rng(1).integers(0, 256, (6, 20, 30), dtype=np.uint8)
    options = {"metadata": {"axes": "ZYX", "unit": "nm", "spacing": 50}}
    tifffile.imwrite(folder / "stack.tif", pages, imagej=True, resolution=(0.25, 0.25), **options)
    return folder


@pytest.fixture
def type_in(folder: Path, lab: Profile) -> TypeIn:
    def type_in(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *map(str, arguments)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return type_in
