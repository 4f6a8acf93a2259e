import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.labelling.correction import (
    LONGEST,
    as_ground_truth,
    changes_to_truth,
    darkest_path,
    find_specks,
    find_specks_of_stack,
    snap,
    widen,
)
from training.stacks.sparse_labels import INSIDE, MEMBRANE


def test_a_path_follows_the_dark_line_round_a_bend() -> None:
    image = np.full((80, 80), 200, np.uint8)
    image[20, 10:41] = 30
    image[20:41, 40] = 30
    rows, columns = darkest_path(image, (20, 10), (40, 40))
    assert (rows[0], columns[0]) == (20, 10) and (rows[-1], columns[-1]) == (40, 40)
    assert (image[rows, columns] == 30).mean() > 0.9  # a corner may be cut


@given(
    ends=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 59)), min_size=2, max_size=2),
    seed=st.integers(0, 9),
)
def test_a_path_joins_any_two_pixels_without_a_break(
    ends: list[tuple[int, int]], seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 255, (40, 60))
    rows, columns = darkest_path(image, *ends)
    assert [(rows[0], columns[0]), (rows[-1], columns[-1])] == ends
    steps = np.maximum(np.abs(np.diff(rows)), np.abs(np.diff(columns)))
    assert (steps == 1).all()


def test_ends_far_apart_are_joined_by_a_straight_line() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, LONGEST + 50))
    rows, columns = darkest_path(image, (5, 0), (5, LONGEST + 40))
    assert (rows == 5).all() and len(columns) == LONGEST + 41


def test_a_line_is_as_wide_as_reported_and_ends_at_the_border() -> None:
    path = np.full(30, 10), np.arange(30)
    drawn = np.zeros((30, 40), bool)
    drawn[widen(path, 5, drawn.shape)] = True
    assert drawn[:, 15].sum() == 5
    at_border = np.zeros((30, 30), bool)
    at_border[widen((np.zeros(30, int), np.arange(30)), 3, at_border.shape)] = True
    assert at_border[:, 15].sum() == 2


def test_specks_are_small_islands() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[2, 2] = mask[3, 3] = 1  # they touch at a corner
    mask[10:14, 10:14] = 1
    mask[20:, 20:] = 1
    (rows, columns), count = find_specks(mask, 17)
    assert count == 2 and len(rows) == 18
    mask[rows, columns] = 0
    assert ndimage.label(mask)[1] == 1
    assert find_specks(mask, 17)[1] == 0
    assert find_specks(np.zeros((5, 5)), 10)[1] == 0


def test_specks_of_a_stack_are_found_on_the_slices_asked_for() -> None:
    mask = np.zeros((3, 9, 9), np.uint8)
    mask[0, 1, 2] = mask[2, 3, 4] = mask[2, 6, 6] = 1
    mask[1, :5] = 1  # no speck
    everywhere = find_specks_of_stack(mask, 4, range(3))
    assert {tuple(map(int, place)) for place in zip(*everywhere, strict=True)} == {
        (0, 1, 2), (2, 3, 4), (2, 6, 6)
    }  # fmt: skip
    mask[find_specks_of_stack(mask, 4, [2])] = 0
    assert mask[0, 1, 2] == 1 and not mask[2].any() and mask[1].sum() == 45
    assert [len(axis) for axis in find_specks_of_stack(mask, 4, [1])] == [0, 0, 0]
    rows, columns = find_specks_of_stack(mask[0], 4, [0])  # a single image
    assert (rows.tolist(), columns.tolist()) == ([1], [2])


def test_a_snapped_stroke_takes_what_the_probability_agrees_with() -> None:
    probability = np.tile(np.linspace(0, 1, 21, dtype=np.float32), (5, 1))
    stroke = np.nonzero(np.ones((5, 21)))
    assert (snap(stroke, probability, 1, 0.5)[1] >= 10).all()
    assert (snap(stroke, probability, 0, 0.5)[1] <= 10).all()
    faint = probability * 0.2
    rows, columns = snap(stroke, faint, 1, 0.5)
    assert len(rows) > 0 and (columns >= 18).all()


def test_ground_truth_has_whole_corrected_slices_and_earlier_strokes() -> None:
    mask = np.random.default_rng(0).integers(0, 2, (3, 8, 9)).astype(np.uint8)
    strokes = np.zeros(mask.shape, np.uint8)
    strokes[0, 2, 2] = INSIDE
    strokes[1, 3, 3] = MEMBRANE
    labels = strokes.copy()
    places, values = changes_to_truth(mask, [1], labels)
    labels[places] = values
    np.testing.assert_array_equal(labels[0], strokes[0])
    np.testing.assert_array_equal(labels[1] == MEMBRANE, mask[1] == 1)
    np.testing.assert_array_equal(labels[1] == INSIDE, mask[1] == 0)
    assert not labels[2].any()
    whole = as_ground_truth(mask, [1])
    np.testing.assert_array_equal(whole[1], labels[1])
    assert not whole[[0, 2]].any()


def test_axes_of_length_one_before_a_stack_are_in_what_changes() -> None:
    mask = np.random.default_rng(0).integers(0, 2, (1, 1, 3, 8, 9)).astype(np.uint8)
    labels = np.zeros(mask.shape[1:], np.uint8)
    places, values = changes_to_truth(mask, [1], labels)
    labels[places] = values
    np.testing.assert_array_equal(labels[0], as_ground_truth(mask[0, 0], [1]))
    specks = find_specks_of_stack(mask, 4, [1])
    plain = find_specks_of_stack(mask[0, 0], 4, [1])
    np.testing.assert_array_equal(specks[2:], plain)
    assert len(specks) == 5 and not any(axis.any() for axis in specks[:2])
