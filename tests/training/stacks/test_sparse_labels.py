"""Sparse labels: what they look like, and what their file says of itself."""

import numpy as np
import pytest

from training.stacks.sparse_labels import LabelNote, labelled_slices


@pytest.fixture
def strokes() -> np.ndarray:
    labels = np.zeros((4, 20, 30), np.uint8)
    labels[1, 5, 3:20] = 1
    labels[3, 9:11, 3:20] = 2
    return labels


def test_slices_with_strokes_are_listed(strokes: np.ndarray) -> None:
    assert labelled_slices(strokes) == [1, 3]


@pytest.mark.parametrize("description", ["", "ImageJ=1.54f", "labels=3", "labels={}", "labels={"])
def test_other_descriptions_are_no_note(description: str) -> None:
    assert LabelNote.find(description) is None
