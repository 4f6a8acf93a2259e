import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from training.metrics.pixel_metrics import (
    FIGURES,
    format_table,
    mean_figures,
    overlap_figures,
    slice_figures,
    soft_dice,
)

MASKS = npst.arrays(np.bool_, (5, 7), elements=st.booleans())


def test_worked_by_hand() -> None:
    predicted = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], bool)
    membrane = np.array([[1, 1, 0, 1], [1, 0, 0, 0]], bool)
    assert overlap_figures(predicted, membrane) == {
        "dice": 4 / 7,  # 2 * 2 / (3 + 4)
        "iou": 2 / 5,
        "precision": 2 / 3,
        "recall": 2 / 4,
    }


def test_soft_dice_worked_by_hand() -> None:
    probability = np.array([[0.5, 1.0]], np.float32)
    membrane = np.array([[True, False]])
    # membrane channel: p = .5, 1; y = 1, 0. inside channel: p = .5, 0; y = 0, 1.
    overlap = 0.5 * 1 + 0 * 1
    squares = (0.25 + 1 + 0.25 + 0) + 2
    assert soft_dice(probability, membrane) == pytest.approx(2 * overlap / (squares + 1e-6))


def test_soft_dice_of_the_truth_is_one() -> None:
    membrane = np.eye(8, dtype=bool)
    assert soft_dice(membrane.astype(np.float32), membrane) == pytest.approx(1)
    assert soft_dice(1 - membrane.astype(np.float32), membrane) == 0


@given(predicted=MASKS, membrane=MASKS)
def test_equal_to_scikit_learn(predicted: np.ndarray, membrane: np.ndarray) -> None:
    figures = overlap_figures(predicted, membrane)
    truth, guess = membrane.ravel(), predicted.ravel()
    # Nothing to find, or nothing found, is a failure unless it is both.
    empty = 1.0 if not truth.any() and not guess.any() else 0.0
    for name, score in {
        "dice": f1_score,
        "iou": jaccard_score,
        "precision": precision_score,
        "recall": recall_score,
    }.items():
        expected = score(truth, guess, zero_division=empty)
        assert figures[name] == pytest.approx(expected), name


@given(
    npst.arrays(np.float32, (4, 6), elements=st.floats(0, 1, width=32)),
    npst.arrays(np.bool_, (4, 6)),
)
def test_figures_are_between_0_and_1(probability: np.ndarray, membrane: np.ndarray) -> None:
    figures = slice_figures(3, probability, membrane)
    assert figures.pop("index") == 3
    assert set(figures) == set(FIGURES)
    assert all(0 <= value <= 1 + 1e-9 for value in figures.values())


def test_threshold_belongs_to_the_membrane() -> None:
    probability = np.array([[0.5, 0.49]], np.float32)
    membrane = np.array([[True, False]])
    assert slice_figures(0, probability, membrane)["dice"] == 1
    assert slice_figures(0, probability, membrane, threshold=0.4)["precision"] == 0.5


def test_mean() -> None:
    slices = [dict.fromkeys(FIGURES, value) for value in (0.2, 0.6)]
    assert mean_figures(slices) == pytest.approx(dict.fromkeys(FIGURES, 0.4))
    with pytest.raises(ValueError, match="no slices"):
        mean_figures([])


def test_table_has_a_line_a_slice_and_the_mean() -> None:
    one = {"index": 18, **dict.fromkeys(FIGURES, 0.25)}
    table = format_table([one], dict.fromkeys(FIGURES, 0.75)).splitlines()
    assert table[0].split() == ["slice", *FIGURES]
    assert table[2].split() == ["18", *["0.2500"] * 5]
    assert table[-1].split() == ["mean", *["0.7500"] * 5]
