"""Trainings on classes, in real processes, and what they are given."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.training.conftest import small_stack, train
from training.config import preset_config
from training.dataset.training_set import TrainingSet, load_training_set
from training.errors import UserError
from training.label_classes import LabelClasses
from training.learning.batches import Batches
from training.model.card_of_training import describe_model
from training.model.model_card import ModelCard
from training.model.saved_model import load_model
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

NAMES = "membrane,dark cell"
OPTIONS = ("--preset", "compact", "--device", "cpu", "--batchsize", 2)


def class_stack() -> tuple[np.ndarray, np.ndarray]:
    """A small stack of cells, of which those on the right are darker: classes 1 and 2."""
    images, finished = small_stack()
    labels = (finished == 0).astype(np.uint8)
    labels[:, 16:48, 40:][finished[:, 16:48, 40:] > 0] = 2
    return np.where(labels == 2, images - 40, images).astype(np.uint8), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    images, labels = class_stack()
    tifffile.imwrite(folder / "train-volume.tif", images, photometric="minisblack")
    tifffile.imwrite(folder / "train-labels.tif", labels, photometric="minisblack")
    return folder


def load(folder: Path, classes: str = NAMES, **options: object) -> TrainingSet:
    return load_training_set(
        preset_config("compact", data_url=str(folder), classes=classes, **options)
    )


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = RunDirectory(tmp_path_factory.mktemp("trained") / "run")
    options = ("--classes", NAMES, "--steps", 60, "--run_dir", run.path)
    result = train("--data_url", folder, *OPTIONS, *options)
    assert result.returncode == 0, result.stderr
    return run


def test_a_training_tells_the_dice_of_each_class(run: RunDirectory) -> None:
    mean = load_state(run.events).best_evaluation["mean"]
    assert mean["dice"] == pytest.approx(np.mean([mean["dice_membrane"], mean["dice_dark cell"]]))
    assert mean["dice_membrane"] > 0.5 and mean["dice_dark cell"] > 0.5
    assert json.loads(run.evaluation_json.read_text())["mean"] == mean
    assert "dice_dark cell" in run.evaluation_csv.read_text()


def test_its_model_knows_names_values_and_colours(run: RunDirectory) -> None:
    model = load_model(run.best)
    assert [(member.name, member.value) for member in model.card.classes] == [
        ("background", 0),
        ("membrane", 1),
        ("dark cell", 2),
    ]
    assert model.card.num_classes == 3 and all(member.color for member in model.card.classes)
    assert model.weights["logits.weight"].shape[0] == 3 * 16


def test_another_training_goes_on_from_the_classes_that_it_shares(
    run: RunDirectory, folder: Path, tmp_path: Path
) -> None:
    named = ("--classes", "membrane=1,nucleus=2", "--steps", 2, "--run_dir", tmp_path / "next")
    result = train("--data_url", folder, *OPTIONS, *named, "--weights", run.path)
    assert result.returncode == 0, result.stderr
    card = load_model(RunDirectory(tmp_path / "next").best).card
    assert [member.name for member in card.classes] == ["background", "membrane", "nucleus"]


def test_batches_hold_a_channel_for_each_class_and_rare_ones_weigh_more(folder: Path) -> None:
    data = load(folder)
    config = preset_config("compact", data_url=str(folder), classes=NAMES, batchsize=2)
    batch = Batches(data, describe_model(config, data), config).batch(1)
    assert batch.wanted.shape == (2, 3, *batch.images.shape[2:])
    np.testing.assert_array_equal(batch.wanted.sum(axis=1), 1)
    assert batch.weights.shape == batch.images.shape
    assert batch.weights.mean() == pytest.approx(1, rel=1e-5)
    shares = [
        np.mean([np.mean(data.channels[z] == channel) for z in data.train_slices])
        for channel in range(3)
    ]
    expected = np.sqrt(np.maximum(1, 0.1 / np.array(shares)))
    np.testing.assert_allclose(data.class_weights, expected, rtol=1e-4)


def test_strokes_of_classes_leave_the_rest_unknown(tmp_path: Path) -> None:
    images, labels = class_stack()
    strokes = np.zeros_like(labels)
    rows = np.arange(64) % 8 == 0
    for z in (1, 4):
        strokes[z, rows] = labels[z, rows] + 1
    tifffile.imwrite(tmp_path / "train-volume.tif", images, photometric="minisblack")
    tifffile.imwrite(tmp_path / "train-labels.tif", strokes, photometric="minisblack")
    names = "inside=1,membrane=2,dark cell=3,unknown=0"
    data = load(tmp_path, names)
    assert {*data.train_slices, *data.valid_slices} == {1, 4}
    (train_slice,) = data.train_slices
    is_painted = strokes[train_slice] > 0
    np.testing.assert_array_equal(data.weights[train_slice] > 0, is_painted)
    np.testing.assert_array_equal(
        data.channels[train_slice][is_painted], strokes[train_slice][is_painted] - 1
    )
    (held_out,) = data.valid_slices
    np.testing.assert_array_equal(data.held_out[held_out], strokes[held_out] > 0)
    card = describe_model(preset_config("compact", classes=names), data)
    assert ModelCard.from_json(card.to_json()).label_classes == LabelClasses.parse(names)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("membrane", r"has the value 2, but no class has: 0 is background and 1 membrane\."),
        ("membrane=1,other=3", "has the value 2, but no class has"),
        ("membrane,dark cell,other", r"No pixel that is trained on is labelled as other \(3\)"),
    ],
)
def test_labels_and_names_must_agree(folder: Path, classes: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(folder, classes)


def test_what_looks_like_strokes_is_questioned(tmp_path: Path) -> None:
    images, labels = class_stack()
    labels[:, :, 8:] = 0
    tifffile.imwrite(tmp_path / "train-volume.tif", images, photometric="minisblack")
    tifffile.imwrite(tmp_path / "train-labels.tif", labels, photometric="minisblack")
    read, question = load(tmp_path, "membrane").sentences
    assert "0 is background (9" in read
    assert "add unknown=0 to the classes" in question
