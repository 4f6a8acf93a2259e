"""A Python to name."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.napari_unet.training_python.stand_ins import site_packages


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Another Python, with all packages that this one has."""
    environment = tmp_path / "named"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (folder,) = environment.glob("lib/python*/site-packages")
    (folder / "others.pth").write_text(site_packages())
    return environment / "bin" / "python"
