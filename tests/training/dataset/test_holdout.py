"""Which strokes are held out for validation."""

import numpy as np
import pytest

from training.dataset.holdout import hold_out
from training.errors import UserError

Labels = dict[int, np.ndarray]


def strokes(*slices: tuple[int, int]) -> Labels:
    """The labelled slices, with so many strokes of membrane and of inside each."""
    labels = {}
    for z, counts in enumerate(slices):
        page = np.zeros((40, 40), np.uint8)
        for value, count in zip((1, 2), counts, strict=True):
            for place in range(count):
                page[4 * place, 10 * value : 10 * value + 5] = value
        if page.any():
            labels[z] = page
    return labels


def finished(slices: int) -> Labels:
    """Slices that are labelled throughout, with a membrane a row of cells."""
    rows = np.arange(40) % 8 == 0
    return dict.fromkeys(range(slices), np.where(rows[:, np.newaxis], 1, 2) * np.ones((1, 30), int))


@pytest.mark.parametrize("fold", range(5))
def test_whole_slices_are_held_out_where_there_are_several(fold: int) -> None:
    labels = strokes((2, 2), (0, 0), (3, 1), (1, 1))
    split = hold_out(labels, fold)
    assert len(split.valid_slices) == 1
    assert sorted(split.train_slices + split.valid_slices) == [0, 2, 3]
    held_out = split.valid_slices[0]
    assert split.held_out.keys() == {held_out}
    np.testing.assert_array_equal(split.held_out[held_out], labels[held_out] > 0)
    assert split.sentence == f"Slice {held_out} of the 3 labelled ones is held out for validation."


def test_folds_hold_out_different_slices() -> None:
    labels = strokes(*[(1, 1)] * 10)
    held_out = [hold_out(labels, fold).valid_slices for fold in range(5)]
    assert sorted(index for slices in held_out for index in slices) == list(range(10))
    assert hold_out(labels, 0).sentence.startswith("Slices ")


def test_strokes_are_held_out_of_the_only_slice() -> None:
    labels = strokes((0, 0), (6, 5))
    split = hold_out(labels, 1)
    assert split.train_slices == split.valid_slices == [1]
    for value in (1, 2):
        assert np.count_nonzero(split.held_out[1] & (labels[1] == value)) == 5  # one whole stroke
    assert (
        split.sentence
        == "Slice 1 is the only labelled one: 2 of 11 strokes are held out for validation."
    )


@pytest.mark.parametrize("fold", range(5))
def test_a_slice_whose_strokes_are_all_held_out_is_not_trained_on(fold: int) -> None:
    labels = strokes((1, 0), (1, 0), (0, 1), (0, 1))
    split = hold_out(labels, fold)
    assert sorted(split.train_slices + split.valid_slices) == [0, 1, 2, 3]
    assert all(np.array_equal(split.held_out[z], labels[z] > 0) for z in split.valid_slices)


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


@pytest.mark.parametrize("fold", range(5))
def test_a_strip_is_held_out_of_the_only_slice_that_is_labelled_throughout(fold: int) -> None:
    labels = finished(1)
    split = hold_out(labels, fold)
    assert split.train_slices == split.valid_slices == [0]
    rows = np.flatnonzero(split.held_out[0].all(axis=1))
    assert (rows[0], rows[-1]) == (8 * fold, 8 * fold + 7)
    assert np.count_nonzero(split.held_out[0]) == len(rows) * 30
    assert split.sentence == (
        f"Slice 0 is the only labelled one: its rows {rows[0]} to {rows[-1]} are held out for "
        "validation."
    )


def test_a_strip_without_both_kinds_is_passed_over() -> None:
    labels = finished(1)
    labels[0] = np.where(np.arange(40)[:, np.newaxis] < 8, 2, labels[0])
    assert hold_out(labels, 0).held_out[0][8:16].all()
    dot = np.full((40, 30), 2)
    dot[3, 3] = 1
    with pytest.raises(UserError, match=r"L has too few labels.*Label another slice"):
        hold_out({0: dot}, 0, (), "L")


@pytest.mark.parametrize("slices", [2, 3, 4])
def test_one_of_a_few_finished_slices_is_held_out(slices: int) -> None:
    held_out = [hold_out(finished(slices), fold).valid_slices for fold in range(slices)]
    assert sorted(held_out) == [[index] for index in range(slices)]


def test_finished_slices_are_split_as_in_the_zoo() -> None:
    labels = {2 * index: page for index, page in finished(30).items()}
    split = hold_out(labels, 1)
    assert split.valid_slices == [12, 8, 36, 38, 18, 14]


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (strokes((3, 0)), "No pixel of L is labelled as inside. Paint strokes on membranes and"),
        (strokes((0, 3)), "No pixel of L is labelled as membrane."),
        (strokes((3, 1)), "L has only one stroke of inside.*Paint another stroke of inside"),
    ],
)
def test_too_little_is_reported(labels: Labels, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        hold_out(labels, 1, (), "L")
