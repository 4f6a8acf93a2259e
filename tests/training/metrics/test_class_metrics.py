"""Figures of classes, compared with what they are by hand."""

import json

import numpy as np
import pytest

from training.label_classes import LabelClasses
from training.metrics.class_metrics import class_figures, evaluate_classes
from training.metrics.evaluation_report import Evaluation, evaluate_slices

CLASSES = LabelClasses.parse("membrane,mitochondria")


def one_hot(channels: np.ndarray) -> np.ndarray:
    return np.stack([channels == channel for channel in range(3)]).astype(np.float32)


def test_figures_are_those_of_each_class() -> None:
    truth = np.array([[0, 1, 1, 2], [2, 2, 0, 255]], np.uint8)
    found = np.array([[0, 1, 0, 2], [2, 1, 0, 1]])
    figures = class_figures(one_hot(found), truth, CLASSES)
    membrane, mitochondria = 2 * 1 / (2 + 2), 2 * 2 / (2 + 3)
    assert figures["dice_membrane"] == pytest.approx(membrane)
    assert figures["dice_mitochondria"] == pytest.approx(mitochondria)
    assert figures["dice"] == pytest.approx((membrane + mitochondria) / 2)
    assert figures["precision"] == pytest.approx((1 / 2 + 1) / 2)
    assert figures["recall"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert figures["soft_dice"] == pytest.approx(5 / 7)


def test_two_classes_have_the_figures_of_membrane_and_inside() -> None:
    random = np.random.default_rng(0)
    p = random.random((8, 8), np.float32)
    truth = (random.random((8, 8)) < 0.3).astype(np.uint8)
    classes = LabelClasses.parse("membrane")
    of_classes = evaluate_classes(1, {4: np.stack([1 - p, p])}, classes, {4: truth})
    usual = evaluate_slices(1, {4: p}, {4: truth == 1})
    assert {name: of_classes.mean[name] for name in usual.mean} == pytest.approx(usual.mean)
    assert of_classes.mean["dice_membrane"] == of_classes.mean["dice"]


def test_pixels_that_are_not_known_do_not_count_and_tables_tell_each_class() -> None:
    truth = np.array([[0, 1, 2, 1]], np.uint8)
    known = {7: np.array([[True, True, True, False]])}
    evaluation = evaluate_classes(
        None, {7: one_hot(np.array([[0, 1, 2, 0]]))}, CLASSES, {7: truth}, known, {"a": 0, "b": 5}
    )
    assert evaluation.mean["dice"] == 1
    assert evaluation.mean["soft_dice"] == pytest.approx(1, abs=1e-6)
    assert evaluation.slices[0]["volume"] == "b" and evaluation.slices[0]["index"] == 2
    assert "dice_mitochondria" in evaluation.table()
    assert evaluation.to_csv().splitlines()[0].endswith("dice_membrane,dice_mitochondria")
    assert Evaluation(**json.loads(evaluation.to_json())) == evaluation
