import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.stack_files import read_pixel_size
from tests.terminal import interrupt, start_on_terminal
from training.metrics.neuron_metrics import label_neurons, v_rand

WriteModel = Callable[..., Path]


def segment(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("napari-unet"), "segment", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def data(tmp_path: Path, images: np.ndarray, membrane: np.ndarray) -> Path:
    tifffile.imwrite(
        tmp_path / "train-volume.tif", images, imagej=True, resolution=(0.25, 0.25),
        metadata={"axes": "ZYX", "unit": "nm", "spacing": 50},
    )  # fmt: skip
    labels = np.where(membrane, 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "train-labels.tif", labels)
    return tmp_path


def test_neurons_have_numbers(
    write_model: WriteModel, data: Path, images: np.ndarray, membrane: np.ndarray
) -> None:
    stack, output = data / "train-volume.tif", data / "neurons.tif"
    result = segment(write_model(), stack, "-o", output, "--data", data, "--seeds", 0.3)
    assert result.returncode == 0, result.stderr
    assert "v_rand" in result.stdout and str(output) in result.stdout
    neurons = tifffile.imread(output)
    assert (neurons.dtype, neurons.shape) == ("uint16", images.shape)
    assert f"{neurons.max()} regions in 7 slices" in result.stdout
    assert read_pixel_size(output) == read_pixel_size(stack)
    for page, walls in zip(neurons.astype(np.int32), membrane, strict=True):
        assert v_rand(page, label_neurons(~walls)) > 0.9
    on_two_pages = set(np.unique(neurons[0])) & set(np.unique(neurons[1])) - {0}
    assert not on_two_pages


def test_every_pair_in_the_folder_chooses_the_threshold(
    write_model: WriteModel, data: Path
) -> None:
    pairs = data / "pairs"
    pairs.mkdir()
    for name in "ab":
        shutil.copy(data / "train-volume.tif", pairs / f"{name}.tif")
        shutil.copy(data / "train-labels.tif", pairs / f"{name}_labels.tif")
    output = data / "neurons.tif"
    result = segment(write_model(), pairs / "a.tif", "-o", output, "--data", pairs)
    assert result.returncode == 0, result.stderr
    assert "a.tif: Labels: 0 is membrane" in result.stdout
    assert "b.tif: Labels: 0 is membrane" in result.stdout
    assert "on training slices" in result.stdout


def test_what_the_threshold_is_chosen_on_is_kept(write_model: WriteModel, data: Path) -> None:
    labels = data / "train-labels.tif"
    before = labels.read_bytes()
    options = ("-o", labels, "--data", data, "--overwrite")
    result = segment(write_model(), data / "train-volume.tif", *options)
    assert result.returncode == 2 and "what the threshold is chosen on" in result.stderr
    assert labels.read_bytes() == before


def test_given_settings_are_taken(write_model: WriteModel, data: Path) -> None:
    stack, output = data / "train-volume.tif", data / "neurons.tif"
    options = ("--method", "components", "--threshold", 0.5, "--link", "--tta")
    result = segment(write_model(), stack, "-o", output, *options)
    assert result.returncode == 0, result.stderr
    assert "v_rand" not in result.stdout
    neurons = tifffile.imread(output)
    assert set(np.unique(neurons[0])) & set(np.unique(neurons[1])) - {0}, "linked"
    result = segment(write_model(), stack, "-o", data / "n.tif", *options, "--seeds", 0.1)
    assert (result.returncode, (data / "n.tif").exists()) == (2, False)
    assert "Leave out --seeds or --method components." in result.stderr


def test_existing_results_are_kept(write_model: WriteModel, data: Path) -> None:
    output = data / "neurons.tif"
    output.write_text("mine")
    result = segment(write_model(), data / "train-volume.tif", "-o", output)
    assert (result.returncode, output.read_text()) == (2, "mine")
    assert "exists already" in result.stderr


def test_an_interrupted_search_leaves_nothing(write_model: WriteModel, tmp_path: Path) -> None:
    stack = tmp_path / "long.tif"
    tifffile.imwrite(stack, np.random.default_rng(0).integers(0, 256, (60, 256, 256), np.uint8))
    command = [Path(sys.executable).with_name("napari-unet"), "segment", str(write_model())]
    command += [str(stack), "-o", str(tmp_path / "neurons.tif")]
    code, told = interrupt(start_on_terminal(command, until="1/60"))
    assert code == 1, told
    assert not list(tmp_path.glob("*neurons*"))
