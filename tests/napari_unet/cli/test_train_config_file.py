"""``napari-unet train --config``: options of a file, and labels that are looked at all the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray

from napari_unet.cli.train import command
from training.config import TrainingConfig, preset_config
from training.data_pairs import DataPair
from training.label_convention import LabelConvention
from training.runs.run_directory import RunDirectory

MEMBRANE, ISBI, SPARSE = (
    LabelConvention.MEMBRANE,
    LabelConvention.ISBI,
    LabelConvention.SPARSE,
)


def is_membrane(seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((5, 32, 32)) < 0.2


def write_data(folder: Path, seed: int, labels: NDArray[Any]) -> Path:
    folder.mkdir()
    images = np.where(is_membrane(seed), 20, 200).astype(np.uint8)
    for name, pages in (("volume", images), ("labels", labels.astype(np.uint8))):
        tifffile.imwrite(folder / f"train-{name}.tif", pages, photometric="minisblack")
    return folder


@pytest.fixture(autouse=True)
def no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_unet.cli.train.train_here", lambda run, python: 0)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def isbi(tmp_path: Path) -> Path:
    """Data whose labels are 0 on membrane."""
    return write_data(tmp_path / "isbi", 1, ~is_membrane(1) * 255)


@pytest.fixture
def inverse(tmp_path: Path) -> Path:
    """Data whose labels are 255 on membrane."""
    return write_data(tmp_path / "inverse", 2, is_membrane(2) * 255)


def config_by(document: dict[str, Any] | TrainingConfig, *arguments: object) -> TrainingConfig:
    """The configuration of a run that a file and some options make."""
    is_whole = isinstance(document, TrainingConfig)
    text = document.to_json() if is_whole else json.dumps(document)
    Path("config.json").write_text(text)
    given = ["--config", "config.json", "--out", "run", *map(str, arguments)]
    CliRunner().invoke(command, given, catch_exceptions=False)
    return RunDirectory(Path("run")).read_config()


def test_labels_are_recognised(inverse: Path) -> None:
    config = config_by({"epochs": 3}, "--data", inverse)
    assert (config.label_convention, config.epochs) == (MEMBRANE, 3)


def test_strokes_are_recognised_and_trained_on_as_such(tmp_path: Path) -> None:
    strokes = np.where(is_membrane(3), 1, 2) * (np.arange(32) % 8 < 2)
    config = config_by({"epochs": 3}, "--data", write_data(tmp_path / "strokes", 3, strokes))
    assert config == preset_config(
        "compact", label_convention=SPARSE, epochs=3, data_url=config.data_url
    )


def test_the_convention_of_a_file_holds(inverse: Path) -> None:
    assert config_by({"label_convention": "isbi"}, "--data", inverse).label_convention == ISBI
    of_file = {"data_url": str(inverse), "label_convention": "isbi"}
    Path("run").rename("former")
    assert config_by(of_file).label_convention == ISBI


def test_other_data_take_the_place_of_those_of_a_run(isbi: Path, inverse: Path) -> None:
    of_run = preset_config(
        "compact",
        image=str(isbi / "train-volume.tif"),
        labels=str(isbi / "train-labels.tif"),
        steps=7,
    )
    config = config_by(of_run, "--data", inverse)
    assert (config.data_url, config.image, config.labels) == (str(inverse), "", "")
    assert (config.label_convention, config.steps) == (MEMBRANE, 7)


def test_other_labels_take_the_place_of_those_of_a_run(isbi: Path) -> None:
    other = isbi / "other.tif"
    tifffile.imwrite(other, is_membrane(1).astype(np.uint8), photometric="minisblack")
    config = config_by(preset_config("compact", data_url=str(isbi)), "--labels", other)
    assert (config.data_url, config.labels) == (str(isbi), str(other))
    assert config.label_convention == MEMBRANE


def test_a_name_in_the_data_folder_is_one_of_the_folder_given(isbi: Path, inverse: Path) -> None:
    (inverse / "train-labels.tif").rename(inverse / "corrected.tif")
    config = config_by({"labels": "corrected.tif"}, "--data", inverse)
    assert config.labels == str(inverse / "corrected.tif")
    assert config.label_convention == MEMBRANE


def test_each_volume_keeps_its_convention_and_name(isbi: Path, inverse: Path) -> None:
    files = [
        [str(folder / f"train-{name}.tif") for name in ("volume", "labels")]
        for folder in (isbi, inverse)
    ]
    config = config_by({"pairs": [[*files[0], "isbi", "first"], files[1]]})
    assert config.pairs == (
        DataPair(*files[0], ISBI, "first"),
        DataPair(*files[1], MEMBRANE),
    )


def test_classes_that_are_given_go_before_the_convention_of_a_file(isbi: Path) -> None:
    labels = is_membrane(1) + 2 * (np.arange(32) == 9)
    folder = write_data(isbi.with_name("cells"), 4, labels)
    config = config_by(
        preset_config("compact", data_url=str(isbi)),
        *("--data", folder, "--classes", "membrane,line,both"),
    )
    assert (config.label_convention, config.num_classes) == (LabelConvention.CLASSES, 4)
