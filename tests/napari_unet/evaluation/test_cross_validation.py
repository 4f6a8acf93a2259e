"""Figures of folds as tables, JSON and CSV."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from napari_unet.evaluation.cross_validation import CrossValidation
from napari_unet.evaluation.model_evaluation import JudgedModel, assign_folds, evaluate_folds
from tests.napari_unet.evaluation.conftest import Load, codes
from training.dataset.holdout import split_fold
from training.metrics.evaluation_report import Evaluation
from training.metrics.neuron_metrics import NEURON_FIGURES
from training.metrics.pixel_metrics import FIGURES, mean_figures


def evaluate(
    models: dict[str, JudgedModel], fold: int | str, images: np.ndarray, membrane: np.ndarray
) -> CrossValidation:
    assignment = assign_folds(models, fold)
    return CrossValidation(list(evaluate_folds(models, assignment, images, codes(membrane))))


def test_slices_seen_in_training_are_reported(
    load: Load, images: np.ndarray, membrane: np.ndarray
) -> None:
    result = evaluate({"a": load(1)}, "all", images, membrane)
    for fold in result.folds:
        validation = split_fold(len(images), fold.evaluation.fold)[1]
        assert [figures["index"] for figures in fold.evaluation.slices] == validation
        held_out = fold.evaluation.fold == 1
        assert fold.seen == ([] if held_out else validation)
        assert ("SEEN IN TRAINING" in fold.title()) != held_out
    everything = [figures for fold in result.folds for figures in fold.evaluation.slices]
    assert result.mean() == mean_figures(everything)
    assert result.held_out_mean() == result.folds[1].evaluation.mean
    assert "held out (1): dice" in result.report() and "training (4): dice" in result.report()


def test_a_cross_validation_with_nothing_held_out(
    load: Load, images: np.ndarray, membrane: np.ndarray
) -> None:
    result = evaluate({"a": load(1)}, 2, images, membrane)
    assert result.held_out_mean() is None
    assert "SEEN IN TRAINING" in result.report()


def test_json_and_csv_of_all_folds(load: Load, images: np.ndarray, membrane: np.ndarray) -> None:
    result = evaluate({"a": load(1)}, "all", images, membrane)
    document = json.loads(result.to_json())
    assert set(document) == {"folds", "mean", "held_out_mean"}
    assert [fold["fold"] for fold in document["folds"]] == [0, 1, 2, 3, 4]
    names = {field.name for field in dataclasses.fields(Evaluation)}
    assert set(document["folds"][0]) == {*names, "model", "seen_in_training"}
    assert set(document["mean"]) == {*FIGURES, *NEURON_FIGURES}
    rows = list(csv.DictReader(io.StringIO(result.to_csv())))
    sets = [(row["slice"], row["fold"], row["set"]) for row in rows[:-4]]
    assert sets == [
        (str(figures["index"]), str(number), "held out" if number == 1 else "training")
        for number, fold in enumerate(result.folds)
        for figures in fold.evaluation.slices
    ]
    ends = [(row["slice"], row["set"]) for row in rows[-4:]]
    assert ends == [("mean", "held out"), ("mean", "training"), ("mean", "all"), ("sd", "all")]
    held_out = result.held_out_mean()
    assert float(rows[-4]["dice"]) == pytest.approx(held_out["dice"], abs=1e-6)
