"""``napari-unet train --weights RUN``: strokes, a model, corrections, a better model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile

from napari_unet.prediction.predictor import load_predictor
from tests.training.conftest import small_stack
from training.masks.mask_files import write_sparse_labels
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state


def train(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [Path(sys.executable).with_name("napari-unet"), "train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_model_learns_on_from_corrections(tmp_path: Path) -> None:
    images, finished = small_stack()
    truth = np.where(finished == 0, 1, 2).astype(np.uint8)
    strokes = np.where(np.arange(64)[:, None] % 8 == 0, truth, 0)
    strokes[[0, 2, 3, 5]] = 0
    tifffile.imwrite(tmp_path / "train-volume.tif", images, photometric="minisblack")
    write_sparse_labels(tmp_path / "train-labels.tif", strokes)
    first, second = RunDirectory(tmp_path / "first"), RunDirectory(tmp_path / "second")
    result = train("--data", tmp_path, "--steps", 8, "--out", first.path, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert first.read_config().label_convention == "sparse"  # as the file says
    began = load_state(first.events)
    assert began.initial_model["path"] == load_predictor(first.path).card.began_from == "starter"
    assert began.comparison is None
    before = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}

    strokes[[0, 3]] = truth[[0, 3]]
    corrected = tmp_path / "corrected.tif"
    write_sparse_labels(corrected, strokes, [0, 3])
    options = ("--data", tmp_path, "--labels", corrected, "--weights", first.path, "--steps", 20)
    result = train(*options, "--out", second.path, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    state, former = load_state(second.events), load_state(first.events)
    held_out = former.started["valid_slices"]
    assert state.started["valid_slices"] == held_out
    assert state.started["train_slices"] == sorted({0, 1, 3, 4} - set(held_out))
    # It begins where the other ended, on the same held-out strokes.
    assert abs(state.initial_dice - former.best_dice) < 1e-4
    assert [event["step"] for event in state.evaluations][:2] == [0, 8]
    assert state.evaluations[0]["mean"] == state.started["initial_model"]["mean"]
    assert "epoch 0, step 0 of 20: soft Dice" in result.stdout
    assert (second.path / state.preview["path"]).exists()
    assert state.comparison["before"] == state.started["initial_model"]["mean"]
    assert state.comparison["after"]["dice"] == state.best_dice
    assert state.comparison["slices"] == held_out
    assert state.comparison["is_better"] == (state.best_dice > state.initial_dice)
    assert "by the model that it began from." in result.stdout
    seen = set(former.started["train_slices"]) | set(state.started["train_slices"])
    assert load_predictor(second.path).card.seen_slices(images) == sorted(seen)
    assert load_predictor(second.path).card.began_from == "first"
    assert {path: path.read_bytes() for path in before} == before
