"""The portable tests where this Python lacks what that of Windows does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import windows

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="simulates Windows on Linux")
@pytest.mark.parametrize(
    "what",
    [
        *(f"portable/test_{what}.py" for what in ("files", "stacks", "training")),
        "napari_unet/projects",
    ],
)
def test_what_is_portable_holds_there(what: str, tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(windows.__file__).parent),
        "NAPARI_UNET_WINDOWS": str(folder),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-m", "portable", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--basetemp={folder / 'temporary'}", ROOT / "tests" / what],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
