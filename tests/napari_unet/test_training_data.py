"""Layers and folders as training data: read, checked, guessed and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.launching import LocalLauncher
from napari_unet.starting import start_training
from napari_unet.training_data import FolderData, LayerData, LayerStack, preview
from training.config import preset_config
from training.errors import UserError
from training.run_directory import RunDirectory
from training.stacks import read_stack
from training.synthetic import synthetic_stack


@pytest.fixture
def layers() -> LayerData:
    images, labels = synthetic_stack(slices=6, size=64)
    return LayerData(
        LayerStack("sections", images), LayerStack("truth", (labels == 0).astype(np.uint8))
    )


def test_a_preview_tells_size_share_and_convention(layers: LayerData) -> None:
    shown = preview(layers)
    assert shown.shape == (6, 64, 64)
    assert shown.problems == ()
    assert shown.guessed_convention == "membrane"
    assert shown.membrane_share("membrane") == pytest.approx(np.mean(layers.labels.data))
    assert shown.membrane_share("isbi") == pytest.approx(1 - np.mean(layers.labels.data))


def test_labels_of_insides_are_taken_the_other_way_round(layers: LayerData) -> None:
    insides = LayerStack("truth", 255 * (layers.labels.data == 0))
    assert preview(LayerData(layers.images, insides)).guessed_convention == "isbi"


def test_what_has_no_file_is_written_below_the_run(layers: LayerData, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    config = preset_config("compact", label_convention="membrane")
    prepared = layers.prepare(config, run)
    assert np.array_equal(read_stack(prepared.image), layers.images.data)
    assert np.array_equal(read_stack(prepared.labels) == 0, layers.labels.data == 1)
    assert prepared.label_convention == "isbi"
    run.create(prepared)


def test_images_in_a_file_stay_there(layers: LayerData, tmp_path: Path) -> None:
    path = tmp_path / "sections.tif"
    tifffile.imwrite(path, layers.images.data)
    opened = LayerData(LayerStack("sections", layers.images.data, path), layers.labels)
    run = RunDirectory(tmp_path / "run")
    assert opened.prepare(preset_config("compact"), run).image == str(path)
    cropped = LayerData(LayerStack("sections", layers.images.data[:5], path), layers.labels)
    assert cropped.prepare(
        preset_config("compact"), RunDirectory(tmp_path / "cropped")
    ).image != str(path)


def test_an_unfit_pair_starts_nothing_and_leaves_nothing(layers: LayerData, tmp_path: Path) -> None:
    unfit = LayerData(layers.images, LayerStack("truth", layers.labels.data[:4]))
    with pytest.raises(UserError, match="'truth'"):
        start_training(LocalLauncher(tmp_path), unfit, preset_config("compact"), "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train-volume\.tif"):
        preview(FolderData(tmp_path))
