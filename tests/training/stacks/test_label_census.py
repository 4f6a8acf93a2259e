"""The values of labels, and which slices have any."""

import numpy as np
import pytest

from training.stacks import label_census
from training.stacks.label_census import LabelCensus, read_labelled, telling_window


def test_labels_on_padding_alone_label_no_slice() -> None:
    random = np.random.default_rng(0)
    images = random.integers(20, 200, (4, 20, 30), dtype=np.uint8)
    labels = random.integers(0, 3, images.shape, dtype=np.uint8)
    images[0] = 0  # a missing section
    images[1:3, :, :12] = 0
    labels[1, :, 12:], labels[2, :, 12:] = 2, 0
    census = LabelCensus.of(labels, images)
    assert census.labelled_slices == [3]
    assert (census.uniform[1], census.uniform[2], census.padding) == (2, 0, 0)


def test_pieces_of_a_value_are_counted_but_not_those_of_0() -> None:
    labels = np.array([[[1, 0, 1, 0, 2, 0]]], np.uint8)
    assert LabelCensus.of(labels).pieces() == 1.5


def test_two_values_are_not_graded() -> None:
    assert LabelCensus.of(np.indices((2, 8, 8)).sum(0) % 2).gradedness() == 0


@pytest.mark.parametrize(
    ("labelled", "most", "found", "read"),
    [
        ((3, 7, 10), 5, [3, 7, 10], 20),
        ((3, 7, 12), 2, [3, 7], 8 + 1),  # and the last one, at first
        (range(20), 3, [0, 10, 19], 3),
        ((), 3, [0, 10, 19], 20 + 3),
    ],
)
def test_labelled_slices_are_looked_for_until_enough_are_found(
    labelled: tuple[int, ...], most: int, found: list[int], read: int
) -> None:
    labels = np.tile(np.arange(20)[:, np.newaxis, np.newaxis], (1, 4, 4))
    labels[list(labelled), 0, 0] = 99
    indices = []

    class Noting:
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, index: int) -> np.ndarray:
            indices.append(index)
            return labels[index]

    pages = read_labelled(Noting(), most)
    assert (list(pages), len(indices)) == (found, read)
    np.testing.assert_array_equal([*pages.values()], labels[found])


def test_of_large_slices_fewer_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((6, 40, 30), np.uint8)
    labels[:5, 0, 0] = 7
    monkeypatch.setattr(label_census, "_MOST_BYTES", 3 * 40 * 30)
    assert [*read_labelled(labels, 32)] == [0, 1, 2]
    assert read_labelled(labels[:0], 32) == {}
    monkeypatch.setattr(label_census, "_MOST_BYTES", 1)
    assert [*read_labelled(labels, 32)] == [0]


def test_a_large_slice_is_compared_with_its_neighbours_where_values_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_census, "_SIDE", 10)
    labels = np.zeros((2, 40, 30), np.uint8)
    labels[0, 1, 2] = 7  # away from the middle
    labels[1, 20:22, 12] = 1, 2
    assert telling_window(labels[0]) == (slice(0, 10), slice(0, 10))
    assert telling_window(labels[1]) == (slice(15, 25), slice(10, 20))
    census = LabelCensus.of(labels)
    np.testing.assert_array_equal(census.sample, [labels[0, :10, :10], labels[1, 15:25, 10:20]])
    assert census.counts == {0: 2400 - 3, 1: 1, 2: 1, 7: 1}  # of all their pixels
    monkeypatch.setattr(label_census, "_SIDE", 32)
    images = np.arange(2 * 64 * 64).reshape(2, 64, 64)
    labels = np.pad(labels, ((0, 0), (0, 24), (0, 34)))
    census = LabelCensus.of(labels, images)
    assert census.images is not None
    np.testing.assert_array_equal(census.images, [images[0, :32, :32], images[1, 5:37, :32]])
