"""The mask that follows its neurons: walls drawn by splits, and taken away by merges."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.history import History, Step
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import Operation
from training.errors import UserError

Quarters = tuple[NDArray[np.int32], NDArray[np.uint8]]


@pytest.fixture
def quarters() -> Quarters:
    """Neurons 1 to 4 in two slices, and a mask with a wall of four pixels between them."""
    labels = np.zeros((2, 60, 60), np.int32)
    labels[:, :28, :28], labels[:, :28, 32:] = 1, 2
    labels[:, 32:, :28], labels[:, 32:, 32:] = 3, 4
    return labels, (labels == 0).astype(np.uint8)


def take(quarters: Quarters, operation: Operation) -> Step:
    """Do an operation, and what it says of the mask."""
    labels, mask = quarters
    history = History(Neurons(labels, BodyIndex(labels)))
    step = history.take(history.plan(operation, ("mask", mask)))
    if step.mask is not None:
        step.mask.edit.change(mask, is_undo=False)
    return step


def parts_of(page: NDArray[Any], mask: NDArray[np.uint8]) -> int:
    """How many regions, whose pixels may touch at corners, membrane leaves of some pixels."""
    return int(ndimage.label(page & (mask == 0), np.ones((3, 3)))[1])


def test_a_split_draws_a_wall_that_nothing_leaks_through(quarters: Quarters) -> None:
    labels, mask = quarters
    before, whole = mask.copy(), labels == 1
    strokes = (((0, 4, 4), (0, 4, 20)), ((0, 20, 8), (0, 24, 24)))
    step = take(quarters, Operation(kind="split", strokes=strokes))
    drawn = mask != before
    for z in range(2):
        assert parts_of(whole[z], mask[z]) == 2
        assert (drawn[z] <= whole[z]).all()
        thickness = drawn[z].sum(axis=0)[:28]
        assert thickness.min() >= 2
        assert thickness.max() <= 4
    assert step.mask is not None
    step.mask.edit.change(mask, is_undo=True)
    np.testing.assert_array_equal(mask, before)


def test_a_split_draws_with_the_value_that_the_mask_has(quarters: Quarters) -> None:
    labels, mask = quarters
    mask[mask > 0] = 255
    take((labels, mask), Operation(kind="split", strokes=(((0, 4, 4),), ((0, 24, 4),))))
    assert set(np.unique(mask)) == {0, 255}


def test_a_merge_erases_the_wall_between_the_neurons_alone(quarters: Quarters) -> None:
    labels, mask = quarters
    before = mask.copy()
    step = take(quarters, Operation(kind="merge", strokes=(((0, 5, 5), (0, 5, 50)),)))
    assert not mask[:, :25, 28:32].any()
    erased = mask != before
    assert not erased[:, 30:].any()  # the walls to neurons 3 and 4
    assert not erased[:, :, :28].any()
    assert parts_of(labels[0] >= 0, mask[0]) == 3
    assert step.mask is not None
    step.mask.edit.change(mask, is_undo=True)
    np.testing.assert_array_equal(mask, before)


def test_a_merge_of_neurons_without_a_gap_erases_the_wall_over_them(quarters: Quarters) -> None:
    labels, mask = quarters
    labels[:, :30, :30], labels[:, :30, 30:] = 1, 2
    labels[:, 30:, :30], labels[:, 30:, 30:] = 3, 4
    take(
        quarters,
        Operation(kind="merge", strokes=(tuple((0, y, x) for y in (5, 50) for x in (5, 50)),)),
    )
    crossing = mask[:, 24:36, 24:36]
    assert not mask[:, :, :24].any()
    assert not mask[:, :24].any()
    assert crossing.sum() <= 16 * 2  # where four neurons are equally near, none is between two


def test_what_is_not_between_the_merged_stays(quarters: Quarters) -> None:
    labels, mask = quarters
    labels[:, :28, 32:48] = 0  # too far from the first neuron for a wall of theirs
    mask[:, 5:20, 43] = 1
    before = mask.copy()
    take(quarters, Operation(kind="merge", strokes=(((0, 5, 5), (0, 5, 50)),)))
    np.testing.assert_array_equal(mask[:, :, 41:], before[:, :, 41:])


def test_the_wall_is_what_lies_nearer_to_two_of_the_merged_than_to_any_other() -> None:
    random = np.random.default_rng(0)
    centers = np.argwhere(np.ones((4, 3))) * 24 + random.integers(0, 22, (12, 2))
    places = np.indices((90, 70))[None] - centers[..., None, None]
    distances = np.hypot(places[:, 0], places[:, 1])
    nearest = np.sort(distances, axis=0)
    labels = np.where(nearest[1] - nearest[0] < 6, 0, distances.argmin(axis=0) + 1)
    labels[random.random(labels.shape) < 0.01] = 13  # also within the walls, and at the edge
    mask = ((labels == 0) | (random.random(labels.shape) < 0.2)).astype(np.uint8)
    merged, before = [1, 2, 3, 4, 7, 10], mask.copy()
    points = tuple((0, *map(int, np.argwhere(labels == body)[0])) for body in merged)
    wanted = between(labels, merged) & (mask != 0)
    take((labels[None].copy(), mask[None]), Operation(kind="merge", strokes=(points,)))
    np.testing.assert_array_equal(mask != before, wanted)
    assert wanted[0].any()
    assert wanted[:, 0].any()
    assert 100 < wanted.sum() < before.sum()


def between(labels: NDArray[Any], merged: list[int]) -> NDArray[np.bool_]:
    """Within 12 pixels of two of the merged, and farther from any third neuron."""
    nearest: Any = ndimage.distance_transform_edt
    distances = {body: nearest(labels != body) for body in np.unique(labels[labels > 0])}
    found = np.zeros(labels.shape, bool)
    for first, second in combinations(merged, 2):
        reach = np.maximum(distances[first], distances[second])
        others = [far for body, far in distances.items() if body not in (first, second)]
        found |= (reach <= 12) & (np.min(others, axis=0) > reach)
    return found


@pytest.mark.parametrize("kind", ["delete", "new", "done"])
def test_others_leave_the_mask_as_it_is(quarters: Quarters, kind: Any) -> None:
    place = (0, 30, 30) if kind == "new" else (0, 5, 5)
    assert take(quarters, Operation(kind=kind, strokes=((place,),))).mask is None


def test_labels_of_several_values_are_not_drawn_in(quarters: Quarters) -> None:
    labels, _ = quarters
    first = labels.copy()
    with pytest.raises(UserError, match="several values"):
        take(
            (labels, labels.copy()), Operation(kind="split", strokes=(((0, 4, 4),), ((0, 24, 4),)))
        )
    np.testing.assert_array_equal(labels, first)
