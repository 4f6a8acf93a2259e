"""A small stack to train on, and trainings in real processes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

SIDE, SLICES = 64, 6
Train = Callable[..., "subprocess.CompletedProcess[str]"]


def small_stack(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels (Z, Y, X) of uint8: dark walls between bright cells, with noise."""
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=(SLICES, SIDE, SIDE)), (1, 5, 5))
    walls = np.abs(field) < 0.25 * field.std()
    images = np.where(walls, 60, 170) + random.normal(scale=20, size=walls.shape)
    labels = np.where(walls, 0, 255)
    return np.clip(images, 0, 255).astype(np.uint8), labels.astype(np.uint8)


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a small stack under the default names."""
    folder = tmp_path_factory.mktemp("small")
    images, labels = small_stack()
    tifffile.imwrite(folder / "train-volume.tif", images, photometric="minisblack")
    tifffile.imwrite(folder / "train-labels.tif", labels, photometric="minisblack")
    return folder


def training_command(*options: object) -> list[str]:
    return [sys.executable, "-m", "training.train", *map(str, options)]


def train(*options: object) -> "subprocess.CompletedProcess[str]":
    """Run a training to its end, in a process of its own."""
    return subprocess.run(
        training_command(*options), capture_output=True, text=True, timeout=300, check=False
    )
