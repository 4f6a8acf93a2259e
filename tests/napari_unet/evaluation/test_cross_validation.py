import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_unet.evaluation.cross_validation import CrossValidation, assign_folds, evaluate_folds
from napari_unet.prediction.predictor import Predictor, load_predictor
from training.dataset.holdout import split_fold
from training.errors import UserError
from training.metrics.evaluation_report import Evaluation
from training.metrics.neuron_metrics import NEURON_FIGURES
from training.metrics.pixel_metrics import FIGURES, mean_figures
from training.stacks.sparse_labels import INSIDE, MEMBRANE

Load = Callable[[int], Predictor]


@pytest.fixture
def load(write_model: Callable[..., Path]) -> Load:
    def load(fold: int) -> Predictor:
        return load_predictor(write_model(f"fold{fold}.onnx", fold=fold), precision="f32")

    return load


def test_a_run_is_evaluated_on_its_own_fold(load: Load) -> None:
    assert assign_folds({"a": load(3)}, None) == [(3, "a")]


def test_runs_of_several_folds_are_a_cross_validation(load: Load) -> None:
    predictors = {"a": load(3), "b": load(0)}
    assert assign_folds(predictors, None) == [(0, "b"), (3, "a")]


def test_all_folds_prefer_the_model_that_held_them_out(load: Load) -> None:
    predictors = {"a": load(3), "b": load(0)}
    names = ["b", "a", "a", "a", "a"]
    assert assign_folds(predictors, "all") == list(enumerate(names))


def test_runs_of_one_fold_are_refused(load: Load) -> None:
    with pytest.raises(UserError, match="a and b both hold out fold 1"):
        assign_folds({"a": load(1), "b": load(1)}, None)


def test_one_fold_of_several_runs_is_refused(load: Load) -> None:
    with pytest.raises(UserError, match="Fold 2 needs one model"):
        assign_folds({"a": load(1), "b": load(2)}, 2)


def codes(membrane: np.ndarray) -> dict[int, np.ndarray]:
    return dict(enumerate(np.where(membrane, MEMBRANE, INSIDE).astype(np.uint8)))


def evaluate(
    predictors: dict[str, Predictor], fold: int | str, images: np.ndarray, membrane: np.ndarray
) -> CrossValidation:
    assignment = assign_folds(predictors, fold)
    return CrossValidation(list(evaluate_folds(predictors, assignment, images, codes(membrane))))


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


def test_progress_is_reported_slice_by_slice(
    load: Load, images: np.ndarray, membrane: np.ndarray
) -> None:
    told = []
    list(
        evaluate_folds({"a": load(1)}, [(1, "a")], images, codes(membrane), lambda: told.append(1))
    )
    assert len(told) == len(split_fold(len(images), 1)[1])
