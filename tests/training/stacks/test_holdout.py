"""Which strokes are held out for validation."""

import numpy as np
import pytest

from training.errors import UserError
from training.stacks.holdout import hold_out


def strokes(*slices: tuple[int, int], length: int = 4) -> np.ndarray:
    """Labels whose slices have so many strokes of membrane and of inside."""
    labels = np.zeros((length, 40, 40), np.uint8)
    for z, counts in enumerate(slices):
        for value, count in zip((1, 2), counts, strict=True):
            for place in range(count):
                labels[z, 4 * place, 10 * value : 10 * value + 5] = value
    return labels


@pytest.mark.parametrize("fold", range(5))
def test_whole_slices_are_held_out_where_there_are_several(fold: int) -> None:
    labels = strokes((2, 2), (0, 0), (3, 1), (1, 1))
    split = hold_out(labels, fold)
    assert len(split.valid_slices) == 1
    assert sorted(split.train_slices + split.valid_slices) == [0, 2, 3]
    held_out = split.valid_slices[0]
    np.testing.assert_array_equal(split.held_out[held_out], labels[held_out] > 0)
    assert not split.held_out[split.train_slices].any()
    assert split.sentence == f"Slice {held_out} of the 3 labelled ones is held out for validation."


def test_folds_hold_out_different_slices() -> None:
    labels = strokes(*[(1, 1)] * 10, length=10)
    held_out = [hold_out(labels, fold).valid_slices for fold in range(5)]
    assert sorted(index for slices in held_out for index in slices) == list(range(10))
    assert hold_out(labels, 0).sentence.startswith("Slices ")


def test_strokes_are_held_out_of_the_only_slice() -> None:
    labels = strokes((0, 0), (6, 5))
    split = hold_out(labels, 1)
    assert split.train_slices == split.valid_slices == [1]
    for value in (1, 2):
        assert np.count_nonzero(split.held_out & (labels == value)) == 5  # one whole stroke
    assert (
        split.sentence
        == "Slice 1 is the only labelled one: 2 of 11 strokes are held out for validation."
    )


def test_strokes_are_held_out_where_slices_have_one_kind_each() -> None:
    split = hold_out(strokes((3, 0), (0, 3)), 0)
    assert split.train_slices == split.valid_slices == [0, 1]
    assert "2 of 6 strokes are held out" in split.sentence


def test_a_slice_is_held_out_only_if_the_others_have_both_kinds() -> None:
    split = hold_out(strokes((3, 3), (3, 0)), 0)
    assert split.train_slices == [0, 1]


def test_chosen_slices_are_held_out() -> None:
    labels = strokes((1, 1), (1, 1), (1, 1), (1, 1))
    split = hold_out(labels, 0, [3, 1])
    assert (split.train_slices, split.valid_slices) == ([0, 2], [3, 1])
    assert split.sentence == "Slices 1 and 3 of the 4 labelled ones are held out for validation."


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (strokes((3, 0)), "No pixel of L is labelled as inside. Paint strokes on membranes and"),
        (strokes((0, 3)), "No pixel of L is labelled as membrane."),
        (strokes((3, 1)), "L has only one stroke of inside.*Paint another stroke of inside"),
    ],
)
def test_too_little_is_reported(labels: np.ndarray, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        hold_out(labels, 1, (), "L")
