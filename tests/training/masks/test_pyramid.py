"""Smaller sizes of labels and of intensities, against what is counted by hand."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from training.masks.pyramid import halve


def test_labels_become_what_most_of_four_have_the_first_in_doubt() -> None:
    for values in product(range(4), repeat=4):
        votes = Counter(values)  # in the order in which they come
        expected = max(votes, key=lambda value: votes[value])
        page = np.uint16(values).reshape(2, 2)
        found = halve(page, is_label=True)
        assert found.dtype == page.dtype and found.tolist() == [[expected]]
        assert page.ravel().tolist() == list(values)


@pytest.mark.parametrize("shape", [(2, 2), (6, 14), (31, 45), (40, 64), (1, 17)])
def test_masks_become_what_other_labels_do(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).integers(0, 2, shape, np.uint8) * np.uint8(255)
    found = halve(mask, is_label=True)
    assert found.dtype == np.uint8 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, halve(mask.astype(np.uint16), is_label=True))


@pytest.mark.parametrize("is_label", [True, False])
def test_odd_sides_repeat_their_last_pixels(is_label: bool) -> None:
    page = np.uint8([[10, 10, 40], [10, 10, 40], [60, 60, 255]])
    np.testing.assert_array_equal(halve(page, is_label), [[10, 40], [60, 255]])


def test_intensities_become_their_mean() -> None:
    page = np.uint8([[250, 251, 0, 1], [252, 254, 0, 0]])
    np.testing.assert_array_equal(halve(page, is_label=False), [[252, 0]])
    found = halve(np.float32([[0.25, 0.5], [0.75, 1]]), is_label=False)
    assert found.dtype == np.float32 and found.tolist() == [[0.625]]
