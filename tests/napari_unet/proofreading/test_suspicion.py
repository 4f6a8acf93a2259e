"""Each kind of doubtful neuron, in a volume that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.suspicion import Suspicion, find_suspicions


def suspicions(labels: NDArray[Any], membrane: NDArray[Any] | None = None) -> list[Suspicion]:
    return find_suspicions(Neurons(labels, BodyIndex(labels), membrane))


def sound() -> NDArray[np.int32]:
    labels = np.zeros((3, 60, 60), np.int32)
    labels[:, 5:25, 5:25], labels[:, 5:25, 27:55] = 1, 2
    return labels


def test_a_sound_neuron_is_not_suspicious() -> None:
    assert suspicions(sound()) == []


def test_each_fault_is_told_with_its_place() -> None:
    labels = sound()
    labels[1, 30:40, 30:40] = 3  # in one slice only
    labels[1, 40:50, 5:15] = 1  # a second part
    labels[2, 5:20, 30:50] = 0
    labels[:, 59, 50] = 4  # at the border
    found = suspicions(labels)
    reasons = {(item.body, item.reason) for item in found}
    assert (3, "is in one slice only") in reasons
    assert (1, "has 2 parts in slice 1") in reasons
    assert (4, "touches the border of the image") in reasons
    assert [item.score for item in found] == sorted((i.score for i in found), reverse=True)
    assert all(labels[item.point] == item.body for item in found)
    assert found[-1].reason == "touches the border of the image"


def test_a_sudden_change_of_area_and_a_gap_are_told() -> None:
    labels = sound()
    labels[2, 5:25, 5:21] = 0
    labels[1][labels[1] == 2] = 0
    reasons = {(item.body, item.reason) for item in suspicions(labels)}
    assert (1, "changes its area 5.0 times from slice 1 to 2") in reasons
    assert (2, "is missing in 1 slices after slice 0") in reasons


def test_what_the_probability_doubts_is_told() -> None:
    labels = sound()
    labels[:, 5:25, 25] = 1
    membrane = np.zeros(labels.shape, np.float32)
    (found,) = suspicions(labels, membrane)
    assert found.body == labels[found.point] == 1
    assert found.reason == "may be one with 2: membrane between them has probability 0.00"
    membrane[:, :, 25:27] = 0.9
    assert suspicions(labels, membrane) == []
    membrane[:, 12:18, 27:55] = 0.9
    (found,) = suspicions(labels, membrane)
    assert (found.body, found.reason) == (2, "may be several: 30% of it looks like membrane")


def tiles(depth: int) -> NDArray[np.int32]:
    """Sixteen neurons that go straight through all slices, away from the border."""
    page = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((12, 12), np.int32))
    return np.pad(np.repeat(page[None], depth, 0), ((0, 0), (2, 2), (2, 2))).astype(np.int32)


def numbered_by_slice() -> NDArray[np.int32]:
    """Each id in one slice, as where slices are segmented one by one."""
    labels = tiles(4)
    return np.where(labels, labels + 16 * np.arange(4)[:, None, None], 0).astype(np.int32)


def numbered_anew() -> NDArray[np.int32]:
    """The same ids in each slice, in another order."""
    labels = tiles(4)
    for index in range(4):
        order = np.concatenate([[0], 1 + (np.arange(16) * 5 + 7 * index) % 16])
        labels[index] = order[labels[index]]
    return labels


def numbered_by_rows() -> NDArray[np.int32]:
    """Numbers along rows again in each slice, of which some have a neuron more at the begin."""
    labels = tiles(4)
    for index in (1, 3):
        labels[index] += labels[index] > 0
        labels[index, 2:8, 2:8] = 1
    return labels


@pytest.mark.parametrize("unlinked", [numbered_by_slice, numbered_anew, numbered_by_rows])
def test_slices_that_are_not_linked_doubt_no_neuron(
    unlinked: Callable[[], NDArray[np.int32]],
) -> None:
    labels = unlinked()
    assert not BodyIndex(labels).are_slices_linked
    assert BodyIndex(tiles(4)).are_slices_linked
    assert suspicions(labels) == []
    labels[1, 2:8, 8:14] = labels[1, 30, 30]
    (found,) = suspicions(labels)
    assert found.reason == "has 2 parts in slice 1"


def test_a_search_ends_where_it_is_told_to() -> None:
    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        find_suspicions(Neurons(sound(), BodyIndex(sound())), stop)
