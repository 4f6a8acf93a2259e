"""Regions of slices, linked to neurons."""

import numpy as np
import pytest

from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.segmentation import Segmentation, find_neurons

TWO = [1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2]
ONE = [1] * len(TWO)


def stack_of(*rows: list[int]) -> np.ndarray:
    """Slices of one row each, (Z, 1, X), whose regions get numbers of their own."""
    pages, total = [], 0
    for row in rows:
        page = np.array([row], np.int32)
        pages.append(np.where(page > 0, page + total, 0))
        total += page.max()
    return np.stack(pages)


def link(
    neurons: np.ndarray, slices: list[int] | None = None, probability: np.ndarray | None = None
) -> int:
    linker = StackLinker()
    for index in range(len(neurons)) if slices is None else slices:
        page = neurons[index]
        linker.add(page, np.float32(page == 0) if probability is None else probability[index])
    return linker.renumber(neurons, slices)


def linked(*rows: list[int]) -> list[list[int]]:
    neurons = stack_of(*rows)
    assert link(neurons) == neurons.max()
    return neurons[:, 0].tolist()


def test_neurons_keep_their_number() -> None:
    """3 of 4 pixels overlap; 1 of 2 suffices, 1 of 3 does not."""
    assert linked([1, 1, 1, 0, 2, 2], [2, 2, 2, 2, 0, 1]) == [
        [1, 1, 1, 0, 2, 2],
        [1, 1, 1, 1, 0, 2],
    ]
    assert linked([1, 1, 1], [0, 0, 1], [1, 1, 1]) == [[1, 1, 1], [0, 0, 2], [1, 1, 1]]


def test_a_slice_that_merges_two_neurons_joins_them_nowhere_else() -> None:
    """The larger one takes the merged region, whichever side of it has more of it."""
    grown = [1, 1, 1, 1, 0, 2, 2, 2, 2, 2, 2]
    for rows in ((TWO, TWO, ONE, TWO, TWO), (TWO, grown, ONE, TWO, TWO), (TWO, ONE, grown, TWO)):
        found = linked(*rows)
        for row, neurons in zip(rows, found, strict=True):
            if row is not ONE:
                assert neurons == row
        assert sorted({number for neurons in found for number in neurons}) == [0, 1, 2]


def test_a_wall_that_one_slice_does_not_show_parts_two_neurons_in_the_others() -> None:
    probability = np.full((5, 20, 41), 0.02, np.float32)
    walls = (24, 24, None, 17, 17)
    for page, wall in zip(probability, walls, strict=True):
        if wall:
            page[:, wall] = 0.9
    linker = StackLinker()
    neurons = np.stack(list(find_neurons(probability, Segmentation(), linker)))
    assert neurons.max() == 9 and linker.renumber(neurons) == 2
    assert len(np.unique(neurons[2])) == 1
    for page, wall in zip(neurons, walls, strict=True):
        if wall:
            assert (page[:, : wall - 1] == 1).all() and (page[:, wall + 2 :] == 2).all()


def test_a_region_that_drifts_from_one_neuron_to_another_parts_them() -> None:
    """More than half of the merged region is the first neuron before it, the second after it."""
    before = [1] * 11 + [0] + [2] * 9
    after = [1] * 9 + [0] + [2] * 11
    found = linked(before, before, [1] * 21, after, after)
    assert [found[z] for z in (0, 1, 3, 4)] == [before, before, after, after]


def test_a_slice_that_splits_a_neuron_does_not_end_it() -> None:
    found = linked(ONE, ONE, TWO, ONE, ONE)
    assert [found[z] for z in (0, 1, 3, 4)] == [ONE] * 4


def test_two_regions_of_a_slice_are_two_neurons() -> None:
    found = linked(ONE, [1] * 5 + [0] + [2] * 5)
    assert len({number for number in found[1] if number}) == 2


@pytest.mark.parametrize("axis", [0, 2])
def test_neurons_are_the_same_from_any_side(axis: int) -> None:
    random = np.random.default_rng(0)
    walls = np.sort(random.integers(0, 3000, 60))
    rows = []
    for _ in range(8):  # walls move, and some are not seen
        walls = np.sort(walls + random.integers(-20, 20, 60))
        seen = walls[random.random(60) > 0.2]
        rows.append((np.searchsorted(seen, np.arange(3000)) + 1).tolist())
    neurons = stack_of(*rows)
    turned = np.flip(neurons, axis).copy()
    link(neurons)
    link(turned)
    pairs = np.unique(np.stack([neurons.ravel(), np.flip(turned, axis).ravel()]), axis=1)
    assert pairs.shape[1] == neurons.max() == turned.max()


def test_slices_that_were_not_searched_are_passed_over() -> None:
    neurons = stack_of(TWO, [0] * len(TWO), TWO)
    assert link(neurons, [0, 2]) == 2
    assert neurons[:, 0].tolist() == [TWO, [0] * len(TWO), TWO]


def test_a_stack_without_regions_has_no_neuron() -> None:
    assert link(np.zeros((3, 4, 4), np.int32)) == 0
    assert link(np.zeros((0, 4, 4), np.int32)) == 0


def test_a_membrane_that_lies_flat_parts_what_is_above_it_from_what_is_below() -> None:
    neurons = np.repeat(np.arange(1, 5, dtype=np.int32), 100).reshape(4, 10, 10)
    probability = np.full(neurons.shape, 0.02, np.float32)
    probability[1:3] = 0.8
    found = neurons.copy()
    assert link(found, probability=probability) == 3
    assert found[:, 0, 0].tolist() == [1, 2, 2, 3]
