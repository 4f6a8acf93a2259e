"""The model that comes with the program, named where a run is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

from napari_unet.cli import evaluate, predict, segment
from training.metrics.pixel_metrics import overlap_figures
from training.stacks.synthetic import synthetic_stack

KINDS = {
    "as it is": lambda images: images,
    "half as bright": lambda images: images // 2,
    "low contrast": lambda images: (100 + images * (60 / 255)).astype(np.uint8),
    "light membranes": lambda images: 255 - images,
    "12 bit": lambda images: images.astype(np.uint16) * 16,
}


@pytest.fixture(scope="module")
def tissue() -> tuple[np.ndarray, np.ndarray]:
    images, labels = synthetic_stack(2, 192)
    return images, labels == 0


COMMANDS = {"predict": predict, "segment": segment, "evaluate": evaluate}


def run(command: str, *arguments: object) -> Result:
    result: Result = CliRunner().invoke(COMMANDS[command].command, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_membranes_are_found_in_a_stack_of_any_contrast(
    tissue: tuple[np.ndarray, np.ndarray], tmp_path: Path, kind: str
) -> None:
    images, membrane = tissue
    tifffile.imwrite(tmp_path / "stack.tif", KINDS[kind](images), photometric="minisblack")
    output = run("predict", "starter", tmp_path / "stack.tif", "-o", tmp_path / "mask.tif").output
    found = tifffile.imread(tmp_path / "mask.tif") == 0
    assert overlap_figures(found, membrane)["dice"] > 0.75
    side = "light" if kind == "light membranes" else "dark"
    assert f"Membranes are {side} in this stack" in output
    assert "Warning" not in output


def test_what_is_said_of_membranes_counts(
    tissue: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, membrane = tissue
    tifffile.imwrite(tmp_path / "stack.tif", images, photometric="minisblack")
    mask = tmp_path / "mask.tif"
    run("predict", "starter", tmp_path / "stack.tif", "-o", mask, "--membranes", "light")
    assert overlap_figures(tifffile.imread(mask) == 0, membrane)["dice"] < 0.5


def test_neurons_and_figures_come_of_it_too(
    tissue: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, membrane = tissue
    tifffile.imwrite(tmp_path / "train-volume.tif", images, photometric="minisblack")
    labels = np.where(membrane, 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "train-labels.tif", labels, photometric="minisblack")
    run("segment", "starter", tmp_path / "train-volume.tif", "-o", tmp_path / "neurons.tif")
    assert tifffile.imread(tmp_path / "neurons.tif").max() > 10
    output = run("evaluate", "starter", "--data", tmp_path).output
    assert "(2): dice 0." in output
