"""A small stack to train on, and trainings in real processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from safetensors.numpy import save_file
from scipy import ndimage

from tests.training.launches import Launch
from training.config import preset_config
from training.devices.run_processes import kill_processes
from training.formats.pixel_size import PixelSize
from training.model.model_card import ModelCard
from training.model.saved_model import CARD_KEY
from training.presets.registry import find_preset
from training.runs.run_directory import RunDirectory
from training.stacks.scaling import Scaling

SIDE, SLICES = 64, 6
SET_FOR_MINDSPORE = ("ONEDNN_MAX_CPU_ISA", "GLOG_v")
Train = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """End with a test what it sets for MindSpore: it would hold OpenVINO to AVX2 in those after."""
    before = {name: os.environ.get(name) for name in SET_FOR_MINDSPORE}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


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


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a stack that each of a launch's workers takes some slices of."""
    folder = tmp_path_factory.mktemp("small stack")
    random = np.random.default_rng(0)
    inside = np.repeat(np.repeat(random.random((10, 8, 8)) < 0.7, 8, axis=1), 8, axis=2)
    images = np.clip(inside * 120 + random.normal(60, 20, inside.shape), 0, 255)
    tifffile.imwrite(folder / "train-volume.tif", images.astype(np.uint8))
    tifffile.imwrite(folder / "train-labels.tif", inside.astype(np.uint8) * 255)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that is not made yet, at a path with quotes and spaces."""
    return RunDirectory(tmp_path / "it's a run")


@pytest.fixture
def launch(run: RunDirectory, data: Path) -> Iterator[Callable[..., Launch]]:
    """``launch(*options)`` trains ``run``; what it starts is ended with the test."""
    launched: list[Launch] = []

    def start(*arguments: str, new: bool = True, **environment: str) -> Launch:
        config = [f"--data_url={data}", "--preset=compact", "--batchsize=1"] if new else []
        launched.append(Launch(run, [*config, *arguments], **environment))
        return launched[-1]

    yield start
    for begun in launched:
        kill_processes(begun.id)
        if begun.process.stdout is not None:
            begun.process.stdout.close()
        begun.process.wait()


@pytest.fixture
def random_run(tmp_path: Path) -> RunDirectory:
    """A run whose weights are random, batch norm's statistics included."""
    return write_random_run(tmp_path / "a run")


def write_random_run(
    folder: Path, preset: str = "compact", zoom: tuple[float, float] = (1.0, 1.0)
) -> RunDirectory:
    """Write a run whose network is of random weights, and sees slices at some scale of theirs."""
    random = np.random.default_rng(0)
    weights = {}
    for name, shape in find_preset(preset).parameter_shapes().items():
        is_norm = "norm" in name
        has_norms = preset == "compact"
        spread = 0.08 if has_norms or len(shape) < 2 else np.sqrt(2 / np.prod(shape[1:]))
        values = random.uniform(0.5, 1.5, shape) if is_norm else random.normal(0, spread, shape)
        weights[name] = values.astype(np.float32)
    run = RunDirectory(folder)
    run.create(preset_config(preset))
    about = {"displacement": (0.6, -0.4), "pixel_size": PixelSize(None, 6, 6)}
    card = ModelCard(preset, Scaling("uint8", 0.0, 255.0), zoom, **about)
    save_file(weights, run.best, {CARD_KEY: card.to_json()})
    return run
