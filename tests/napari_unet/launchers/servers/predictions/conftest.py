"""A server named lab whose Python predicts in no time, and a folder with a stack to work in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile

from napari_unet.cli.main import main
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import save_profile
from tests.napari_unet.launchers.servers.conftest import client_key, home, sshd, unknown_sshd
from tests.napari_unet.launchers.servers.loopback.quick_server import install_quick_python
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.devices.run_processes import kill_processes

__all__ = ["client_key", "home", "sshd", "unknown_sshd"]


class Typed(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    output: str
    errors: str


TypeIn = Callable[..., Typed]


@pytest.fixture
def lab(sshd: Sshd, tmp_path: Path) -> Iterator[Profile]:
    profile = sshd.profile(name="lab", activate=install_quick_python(tmp_path / "quick python"))
    save_profile(profile)
    yield profile
    for launch in sshd.work.glob("runs/*/launch.json"):
        kill_processes(json.loads(launch.read_text())["id"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a person works, with a stack and its pixel size."""
    folder = tmp_path / "where I work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    pages = np.random.default_rng(1).integers(0, 256, (6, 20, 30), dtype=np.uint8)
    options = {"metadata": {"axes": "ZYX", "unit": "nm", "spacing": 50}}
    tifffile.imwrite(folder / "stack.tif", pages, imagej=True, resolution=(0.25, 0.25), **options)
    return folder


@pytest.fixture
def type_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> TypeIn:
    def type_in(*arguments: object) -> Typed:
        monkeypatch.setattr(sys, "argv", ["napari-unet", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Typed(int(ended.value.code or 0), *capsys.readouterr())

    return type_in
