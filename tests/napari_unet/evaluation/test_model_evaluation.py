"""Which model judges which fold, and what it compares."""

import numpy as np
import pytest

from napari_unet.evaluation.model_evaluation import assign_folds, evaluate_folds
from tests.napari_unet.evaluation.conftest import Load, codes
from training.dataset.holdout import split_fold
from training.errors import UserError


def test_a_run_is_evaluated_on_its_own_fold(load: Load) -> None:
    assert assign_folds({"a": load(3)}, None) == [(3, "a")]


def test_runs_of_several_folds_are_a_cross_validation(load: Load) -> None:
    models = {"a": load(3), "b": load(0)}
    assert assign_folds(models, None) == [(0, "b"), (3, "a")]


def test_all_folds_prefer_the_model_that_held_them_out(load: Load) -> None:
    models = {"a": load(3), "b": load(0)}
    names = ["b", "a", "a", "a", "a"]
    assert assign_folds(models, "all") == list(enumerate(names))


def test_runs_of_one_fold_are_refused(load: Load) -> None:
    with pytest.raises(UserError, match="a and b both hold out fold 1"):
        assign_folds({"a": load(1), "b": load(1)}, None)


def test_one_fold_of_several_runs_is_refused(load: Load) -> None:
    with pytest.raises(UserError, match="Fold 2 needs one model"):
        assign_folds({"a": load(1), "b": load(2)}, 2)


def test_progress_is_reported_slice_by_slice(
    load: Load, images: np.ndarray, membrane: np.ndarray
) -> None:
    told = []
    list(
        evaluate_folds({"a": load(1)}, [(1, "a")], images, codes(membrane), lambda: told.append(1))
    )
    assert len(told) == len(split_fold(len(images), 1)[1])
