"""The values of labels, and which slices have any."""

import numpy as np
import pytest

from training.stacks import label_census
from training.stacks.label_census import LabelCensus, read_labelled, sample_labelled


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
        ((), 3, [0, 10, 19], 20),
    ],
)
def test_labelled_slices_are_looked_for_until_enough_are_found(
    labelled: tuple[int, ...], most: int, found: list[int], read: int
) -> None:
    labels = np.tile(np.arange(20)[:, np.newaxis, np.newaxis], (1, 4, 4))
    labels[list(labelled), 0, 0] = 99
    indices = set()

    class Noting:
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, index: int) -> np.ndarray:
            indices.add(index)
            return labels[index]

    pages = read_labelled(Noting(), most)
    assert (list(pages), len(indices)) == (found, read)
    np.testing.assert_array_equal([*pages.values()], labels[found])


def test_of_large_slices_a_few_are_looked_at_where_they_have_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_census, "SAMPLE_SIDE", 10)
    monkeypatch.setattr(label_census, "SAMPLE_BYTES", 3 * 40 * 30)
    labels = np.zeros((6, 40, 30), np.uint8)
    labels[:5, 0, 0], labels[:5, 38, 1] = 7, 2  # away from the middle
    parts = sample_labelled(labels, 32)
    assert [part.shape for part in parts] == [(10, 10)] * 3
    assert all({*np.unique(part)} > {0} for part in parts)
    labels[:, 15:25, 12] = 1
    np.testing.assert_array_equal(sample_labelled(labels, 1), labels[:1, 15:25, 10:20])
    monkeypatch.setattr(label_census, "SAMPLE_BYTES", 1)
    assert len(sample_labelled(labels, 32)) == 1
    monkeypatch.undo()
    np.testing.assert_array_equal(sample_labelled(labels, 32), labels)
