"""Trainings on strokes, in real processes."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.training.conftest import small_stack, train
from training.config import preset_config
from training.dataset.training_set import load_training_set
from training.errors import UserError
from training.masks.mask_files import write_sparse_labels
from training.model.card_of_training import describe_model
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.scaling import Scaling

OPTIONS = ("--preset", "compact", "--device", "cpu", "--batchsize", 2, "--flips", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small stack, and strokes on its slices 1 and 4."""
    images, finished = small_stack()
    strokes = np.zeros_like(finished)
    rows = np.arange(64) % 8 == 0
    for z in (1, 4):
        strokes[z, rows] = np.where(finished[z, rows] == 0, 1, 2)
    tifffile.imwrite(tmp_path / "train-volume.tif", images, photometric="minisblack")
    write_sparse_labels(tmp_path / "train-labels.tif", strokes, [4])
    return tmp_path


def test_strokes_train_and_validate(folder: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    sparse = ("--label_convention", "sparse", "--steps", 6)
    result = train("--data_url", folder, *OPTIONS, *sparse, "--run_dir", run.path)
    assert result.returncode == 0, result.stderr
    state = load_state(run.events)
    assert state.started["validation"] in result.stdout
    (held_out,) = state.started["valid_slices"]
    assert {held_out, *state.started["train_slices"]} == {1, 4}
    assert state.started["validation"] == (
        f"Slice {held_out} of the 2 labelled ones is held out for validation."
    )
    figures = json.loads(run.evaluation_json.read_text())
    assert [page["index"] for page in figures["slices"]] == [held_out]
    assert 0 < figures["mean"]["soft_dice"] < 1
    assert run.best.exists()


def load(folder: Path, **options: object) -> object:
    return load_training_set(
        preset_config("compact", data_url=str(folder), label_convention="sparse", **options)
    )


def test_unknown_and_held_out_pixels_do_not_train(folder: Path) -> None:
    data = load(folder, valid_slices="1")
    assert (data.train_slices, data.valid_slices) == ([4], [1])
    assert data.weights.keys() == {4}
    np.testing.assert_array_equal(data.weights[4][1:8], 0)
    assert (data.weights[4][::8] > 0).all()
    assert data.held_out.keys() == {1}
    assert data.held_out[1][::8].all()
    assert np.count_nonzero(data.held_out[1]) == 8 * 64


def test_a_model_s_card_is_of_the_whole_stack(folder: Path) -> None:
    data = load(folder)
    images = tifffile.imread(folder / "train-volume.tif")
    card = describe_model(preset_config("compact", label_convention="sparse"), data)
    assert card.scaling == Scaling.of(images)
    assert card.trained_slices(images) == data.train_slices


def test_corrected_slices_weigh_more(folder: Path) -> None:
    def weights(trained: int, **options: object) -> np.ndarray:
        data = load(folder, valid_slices=str(5 - trained), **options)
        return data.weights[trained]

    plain = {z: weights(z, corrected_weight=1.0) for z in (1, 4)}
    np.testing.assert_allclose(weights(4, corrected_weight=3.0), 3 * plain[4])  # by the note
    np.testing.assert_allclose(weights(1, corrected_weight=3.0), plain[1])
    given = {"corrected_weight": 3.0, "corrected_slices": "1"}
    np.testing.assert_allclose(weights(1, **given), 3 * plain[1])
    np.testing.assert_allclose(weights(4, **given), plain[4])


def test_membranes_weigh_their_usual_share(folder: Path) -> None:
    data = load(folder)
    (trained,) = data.train_slices
    weights = data.weights[trained]
    share = weights[data.membrane[trained]].sum() / weights.sum()
    assert share == pytest.approx(0.22, rel=1e-4)


def test_slices_labelled_throughout_tell_their_own_share(folder: Path) -> None:
    strokes = tifffile.imread(folder / "train-labels.tif")
    strokes[2] = np.where(small_stack()[1][2] == 0, 1, 2)
    write_sparse_labels(folder / "train-labels.tif", strokes, overwrite=True)
    data = load(folder, valid_slices="4")
    assert (data.weights[2] == 1).all()
    assert not (data.weights[1] == 1).any()


def test_strokes_are_not_mistaken_for_finished_labels(folder: Path) -> None:
    with pytest.raises(UserError, match=r"holds sparse labels.*Choose the convention sparse"):
        load_training_set(preset_config("compact", data_url=str(folder)))


def test_finished_labels_are_not_mistaken_for_strokes(small_folder: Path) -> None:
    with pytest.raises(UserError, match="has other values than sparse labels have"):
        load(small_folder)


def test_slices_that_are_not_there_are_reported(folder: Path) -> None:
    with pytest.raises(UserError, match="valid_slices names slice 9, but there are 6"):
        load(folder, valid_slices="9")
    with pytest.raises(UserError, match="corrected_slices is 'two'"):
        load(folder, corrected_slices="two")
