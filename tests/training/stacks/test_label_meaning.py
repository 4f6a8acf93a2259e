"""What labels of all kinds mean: the right reading, or a sentence that names their values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from training.errors import UserError
from training.label_convention import IdBorders, LabelConvention
from training.stacks.label_census import LabelCensus
from training.stacks.label_meaning import LabelMeaning
from training.stacks.sparse_labels import INSIDE, MEMBRANE, PADDING, UNKNOWN

Array = np.ndarray
SIDE, SLICES = 128, 6


@pytest.fixture(scope="module")
def cells() -> Array:
    """Numbers of the cells (Z, Y, X) that pixels are nearest to; they touch."""
    places = np.random.default_rng(0).uniform(0, SIDE, (60, 2))
    y, x = np.mgrid[:SIDE, :SIDE]
    page = np.argmin([np.hypot(y - a, x - b) for a, b in places], axis=0) + 1
    return np.stack([page] * SLICES)


@pytest.fixture(scope="module")
def membrane(cells: Array) -> Array:
    """Borders between them, a fifth of the pixels."""
    edges = (cells != np.roll(cells, 1, 1)) | (cells != np.roll(cells, 1, 2))
    return np.stack([ndimage.binary_dilation(page) for page in edges])


READ_RIGHT: dict[str, Callable[[Array, Array], Array]] = {
    "0 and 255": lambda membrane, cells: np.where(membrane, 0, 255).astype(np.uint8),
    "255 and 0": lambda membrane, cells: np.where(membrane, 255, 0).astype(np.uint8),
    "1 and 2": lambda membrane, cells: np.where(membrane, 1, 2).astype(np.uint8),
    "2 and 1": lambda membrane, cells: np.where(membrane, 2, 1).astype(np.int32),
    "-1 and 0": lambda membrane, cells: np.where(membrane, -1, 0).astype(np.int8),
    "bool": lambda membrane, cells: membrane,
    "float": lambda membrane, cells: np.where(membrane, 0.0, 255.0).astype(np.float32),
    "ids, 0 between": lambda membrane, cells: np.where(membrane, 0, cells),
    "a stray value": lambda membrane, cells: _dab(membrane.astype(np.uint8)),
    "a probability": lambda membrane, cells: (
        np.where(membrane, 0.97, 0.02)
        + np.random.default_rng(0).uniform(-0.01, 0.01, membrane.shape)
    ),
}


def _dab(mask: Array) -> Array:
    """A few of its pixels become 2."""
    mask.flat[np.flatnonzero(mask)[:9]] = 2
    return mask


@pytest.mark.parametrize("kind", READ_RIGHT)
def test_of_two_kinds_the_rarer_is_membrane(membrane: Array, cells: Array, kind: str) -> None:
    labels = READ_RIGHT[kind](membrane, cells)
    meaning = LabelMeaning.of(labels)
    np.testing.assert_array_equal(meaning.read(labels) == MEMBRANE, membrane)
    assert meaning.share == pytest.approx(membrane.mean())
    assert meaning.is_finished and not meaning.question
    assert f"{membrane.mean():.0%} membrane" in meaning.describe()[0]
    again = LabelMeaning.of(labels, convention=meaning.convention)
    assert again == meaning


def test_smoothed_labels_are_cut_at_the_middle(membrane: Array) -> None:
    smooth = ndimage.uniform_filter(np.where(membrane, 0.0, 255.0), (0, 3, 3)).astype(np.uint8)
    assert LabelCensus.of(smooth).gradedness() > 0.95
    found = LabelMeaning.of(smooth).read(smooth) == MEMBRANE
    assert 2 * np.sum(found & membrane) / (found.sum() + membrane.sum()) > 0.9


def test_probabilities_are_cut_at_a_half_however_sure_they_are(membrane: Array) -> None:
    unsure = 0.7 * ndimage.gaussian_filter(np.where(membrane, 1.0, 0.0), (0, 0.8, 0.8))
    meaning = LabelMeaning.of(unsure)
    np.testing.assert_array_equal(meaning.read(unsure) == MEMBRANE, unsure > 0.5)
    assert "cut at 0.5" in meaning.describe()[0]


def test_negative_values_are_unknown(membrane: Array) -> None:
    labels = np.where(membrane, 1, 0).astype(np.int8)
    labels[:, :30] = -1
    meaning = LabelMeaning.of(labels)
    read = meaning.read(labels)
    assert (read[:, :30] == UNKNOWN).all()
    np.testing.assert_array_equal(read[:, 30:], np.where(membrane, MEMBRANE, INSIDE)[:, 30:])
    assert not meaning.is_finished
    assert "negative values are unknown" in meaning.describe()[0]


IDS: dict[str, Callable[[Array, Array], Array]] = {
    "many cells": lambda membrane, cells: cells,
    "few cells": lambda membrane, cells: np.where(cells < 20, cells, 20 + cells // 20),
    "ids far apart": lambda membrane, cells: cells.astype(np.int64) * 2**40,
    "gaps between some": lambda membrane, cells: np.where(membrane & (cells % 9 == 0), 0, cells),
}


@pytest.mark.parametrize("kind", IDS)
def test_borders_between_touching_numbers_are_membrane(
    membrane: Array, cells: Array, kind: str
) -> None:
    labels = IDS[kind](membrane, cells)
    meaning = LabelMeaning.of(labels)
    assert meaning.convention == LabelConvention.INSTANCES
    found = meaning.read(labels) == MEMBRANE
    assert found.any() and np.mean(membrane[found]) > 0.7
    assert meaning.share == pytest.approx(found.mean(), abs=0.02)


def test_many_numbers_may_be_in_pieces(cells: Array) -> None:
    stripes = np.arange(SIDE) % 6 < 2
    pieces = np.where(stripes[:, np.newaxis], cells.max() + 1, cells)
    assert LabelMeaning.of(pieces).convention == LabelConvention.INSTANCES


def test_ids_with_0_between_have_membrane_at_0_alone(membrane: Array, cells: Array) -> None:
    labels = np.where(membrane, 0, cells)
    meaning = LabelMeaning.of(labels)
    assert meaning.convention == LabelConvention.INSTANCES
    np.testing.assert_array_equal(meaning.read(labels) == MEMBRANE, membrane)


@pytest.mark.parametrize("width", [2, 4])
def test_borders_of_ids_are_as_wide_as_asked(cells: Array, width: int) -> None:
    meaning = LabelMeaning.of(cells, ids=IdBorders(width))
    distances = [ndimage.distance_transform_edt(cells[0] == number) for number in np.unique(cells)]
    found = meaning.read(cells) == MEMBRANE
    np.testing.assert_array_equal(found[0], np.max(distances, axis=0) <= width)
    np.testing.assert_array_equal(found[-1], found[0])
    assert meaning.share == found.mean()
    told = f"ids of cells: 0 and what lies within {width} pixels of another id is membrane"
    assert told in meaning.describe()[0]


def test_0_may_be_unknown_among_ids(membrane: Array, cells: Array) -> None:
    labels = np.where(membrane & (cells % 9 == 0), 0, cells)
    meaning = LabelMeaning.of(labels, ids=IdBorders(is_zero_unknown=True))
    read = meaning.read(labels)
    np.testing.assert_array_equal(read == UNKNOWN, labels == 0)
    usual = LabelMeaning.of(labels).read(labels)
    np.testing.assert_array_equal(read[labels != 0], usual[labels != 0])
    assert not meaning.is_finished and meaning.has_neurons
    assert "1 pixel of another id is membrane, and 0 is unknown" in meaning.describe()[0]
    assert LabelMeaning.of(cells, ids=IdBorders(is_zero_unknown=True)).is_finished


def test_without_a_border_0_alone_is_membrane(membrane: Array, cells: Array) -> None:
    labels = np.where(membrane & (cells % 9 == 0), 0, cells)
    meaning = LabelMeaning.of(labels, ids=IdBorders(0))
    np.testing.assert_array_equal(meaning.read(labels) == MEMBRANE, labels == 0)
    assert "0 alone is membrane" in meaning.describe()[0]
    for ids, values, why in (
        (IdBorders(0), cells, "no pixel is 0"),
        (IdBorders(0, is_zero_unknown=True), labels, "0 is unknown"),
    ):
        with pytest.raises(UserError, match=f"border of 0 pixels, it has no membrane: {why}"):
            LabelMeaning.of(values, "it", ids=ids)


@pytest.mark.parametrize(
    ("dtype", "first"),
    [
        (np.uint64, 2**64 - 200),
        (np.uint64, 2**63 - 10),
        (np.int64, 2**53),
        (np.uint32, 2**32 - 200),
        (float, 10**6),
    ],
)
def test_large_ids_are_kept_apart_and_told_exactly(cells: Array, dtype: type, first: int) -> None:
    labels = cells.astype(dtype) + dtype(first)
    meaning = LabelMeaning.of(labels)
    assert meaning.convention == LabelConvention.INSTANCES
    np.testing.assert_array_equal(meaning.read(labels), LabelMeaning.of(cells).read(cells))
    low, high = int(labels.min()), int(labels.max())
    assert f"values from {low} to {high} are taken as ids of cells" in meaning.describe()[0]
    spread = np.where(cells % 2 == 0, labels, cells)
    assert len(LabelMeaning.of(spread).read(spread)) == SLICES
    assert LabelCensus.of(spread).values == sorted(int(value) for value in np.unique(spread))


@pytest.mark.parametrize("first", [2**54, 2**64 - 2])
def test_two_large_numbers_are_two_kinds(membrane: Array, first: int) -> None:
    labels = np.where(membrane, first, first + 1).astype(np.uint64)
    meaning = LabelMeaning.of(labels)
    assert f"{first} is membrane, {first + 1} inside" in meaning.describe()[0]
    np.testing.assert_array_equal(meaning.read(labels), np.where(membrane, 1, 2))


def test_neurons_are_ids_or_pieces(membrane: Array, cells: Array) -> None:
    ids = LabelMeaning.of(cells * 1000)
    codes = ids.read(cells[0] * 1000)
    codes[:3] = PADDING
    neurons = ids.neurons(cells[0] * 1000, codes)
    np.testing.assert_array_equal(neurons, np.where(codes == PADDING, 0, cells[0]))
    mask = LabelMeaning.of(membrane)
    pieces = mask.neurons(membrane[0], mask.read(membrane[0]))
    np.testing.assert_array_equal(pieces, ndimage.label(~membrane[0])[0])


def test_slices_of_one_value_have_no_say(membrane: Array, cells: Array) -> None:
    labels = np.where(membrane, 0, 255).astype(np.uint8)
    labels[[0, 1, 2, 5]] = 0
    meaning = LabelMeaning.of(labels)
    assert (meaning.convention, meaning.labelled) == (LabelConvention.ISBI, (3, 4))
    assert "Slices 0, 1, 2 and 5 of the labels have one value only" in meaning.unlabelled_sentence
    ids = np.zeros((12, SIDE, SIDE), np.int64)
    ids[7] = cells[0]
    np.testing.assert_array_equal(LabelCensus.of(ids).sample, cells[:1])


def test_strokes_are_taken_as_strokes_and_it_is_said(membrane: Array) -> None:
    strokes = np.zeros(membrane.shape, np.uint8)
    strokes[1, ::9] = np.where(membrane, 1, 2)[1, ::9]
    meaning = LabelMeaning.of(strokes)
    assert (meaning.convention, meaning.labelled) == (LabelConvention.SPARSE, (1,))
    assert len(meaning.describe()) == 1 and "taken as strokes" in meaning.describe()[0]
    np.testing.assert_array_equal(meaning.read(strokes), strokes)
    marked = np.where(strokes == 0, -1, strokes.astype(np.int16))
    np.testing.assert_array_equal(meaning.read(marked), strokes)
    with pytest.raises(UserError, match="which of them are membrane"):
        LabelMeaning.of(strokes, is_mask=True)
    with pytest.raises(UserError, match=r"other values than sparse labels have: 0, 1 and 3"):
        LabelMeaning.of(np.where(strokes == 2, 3, strokes), "it", LabelConvention.SPARSE)
    for other in (strokes == 1, np.minimum(strokes, 1)):
        assert LabelMeaning.of(other).convention != LabelConvention.SPARSE


@pytest.mark.parametrize("values", [(127, 254), (1, 3)])
@pytest.mark.parametrize("width", [1, 2])
def test_strokes_of_other_values_are_not_cut_in_the_middle(
    membrane: Array, values: tuple[int, int], width: int
) -> None:
    rows = np.arange(SIDE) % 9 < width
    strokes = np.where(membrane, *values) * rows[:, np.newaxis]
    with pytest.raises(UserError) as caught:
        LabelMeaning.of(strokes.astype(np.uint8))
    assert f"0, {values[0]} and {values[1]}: which of them" in caught.value.problem


def test_thin_strokes_of_many_classes_are_not_cut_in_the_middle(cells: Array) -> None:
    strokes = (cells % 6) * (np.arange(SIDE) % 9 == 0)[:, np.newaxis]
    with pytest.raises(UserError, match="which of them are membrane"):
        LabelMeaning.of(strokes)


def test_finished_labels_of_three_classes_are_questioned_strokes_are_not(
    membrane: Array, cells: Array
) -> None:
    classes = np.where(membrane, 1, np.where(cells % 7 == 0, 2, 0))
    question = LabelMeaning.of(classes).question
    assert "% of the strokes are on membrane" in question and "of two values" in question
    painted = classes * (np.arange(SIDE) % 9 < 3)
    assert LabelMeaning.of(painted).question == ""


@pytest.mark.parametrize(("convention", "words"), [("isbi", "a lot of membrane"), ("membrane", "")])
def test_a_share_that_is_unlikely_is_questioned(
    membrane: Array, convention: str, words: str
) -> None:
    meaning = LabelMeaning.of(membrane.astype(np.uint8) * 255, "it", LabelConvention(convention))
    assert words in meaning.question and bool(words) == bool(meaning.question)
    assert ("the convention membrane" in meaning.question) == bool(words)


def test_the_rarer_of_two_kinds_is_questioned_where_both_are_frequent() -> None:
    """Membranes that are drawn thick may be the more frequent kind."""
    thick = np.random.default_rng(0).random((2, 60, 60)) < 0.55
    question = LabelMeaning.of(thick.astype(np.uint8)).question
    assert "45% is a lot of membrane" in question and "the convention membrane" in question


def test_a_little_membrane_is_questioned(membrane: Array) -> None:
    little = np.zeros(membrane.shape, np.uint8)
    little[:, 3, :60] = 1
    meaning = LabelMeaning.of(little)
    assert meaning.question == "0.4% is very little membrane: are these the right labels?"
    assert "0.4% membrane" in meaning.describe()[0]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda membrane, cells: np.full_like(cells, 7), "All pixels of it are 7."),
        (lambda membrane, cells: np.ones_like(membrane), "All pixels of it are 1."),
        (lambda membrane, cells: np.where(membrane, 0, 1 + cells % 3), "0, 1, 2 and 3"),
        (lambda membrane, cells: np.where(cells % 3 > 0, 0, cells), "values from 0 to"),
        (lambda membrane, cells: np.where(membrane, -1 - cells % 3, cells % 2), "from -3 to 1"),
        (lambda membrane, cells: np.where(membrane, -0.5, cells % 2), "-0.5, 0 and 1"),
        (
            lambda membrane, cells: np.random.default_rng(0).normal(128, 30, cells.shape),
            "like an image",
        ),
    ],
)
def test_what_is_unclear_is_refused(
    membrane: Array, cells: Array, make: Callable[..., Any], named: str
) -> None:
    with pytest.raises(UserError) as caught:
        LabelMeaning.of(make(membrane, cells), "it")
    assert named in caught.value.problem
    assert caught.value.remedy


def test_what_is_no_number_of_a_cell_is_refused_as_such(membrane: Array) -> None:
    with pytest.raises(UserError, match=r"not hold ids of cells, but 0\.5 and 1"):
        LabelMeaning.of(np.where(membrane, 0.5, 1.0), "it", LabelConvention.INSTANCES)


def test_a_mask_of_one_value_is_called_a_mask(membrane: Array) -> None:
    with pytest.raises(UserError, match="Choose the mask's convention"):
        LabelMeaning.of(np.zeros_like(membrane), "it", is_mask=True)


def test_a_convention_that_is_asked_for_is_taken(membrane: Array, cells: Array) -> None:
    classes = np.where(membrane, 0, 1 + cells % 3)
    meaning = LabelMeaning.of(classes, convention=LabelConvention.ISBI)
    np.testing.assert_array_equal(meaning.read(classes) == MEMBRANE, membrane)


@pytest.mark.parametrize("convention", [LabelConvention.ISBI, LabelConvention.MEMBRANE])
def test_numbers_without_0_are_not_read_as_one_kind(
    cells: Array, convention: LabelConvention
) -> None:
    with pytest.raises(UserError, match="and no 0: all of it would be the same kind"):
        LabelMeaning.of(cells, "it", convention)
