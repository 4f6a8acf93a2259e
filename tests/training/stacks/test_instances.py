"""Borders of ids against a count by hand and SciPy's distances, and ids that floats would merge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from training.stacks.instances import borders_between, find_runs, number_instances

PAGES = arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)
)


@settings(deadline=None)
@given(PAGES, st.integers(0, 5))
def test_a_border_is_what_lies_within_its_width_of_another_id(numbers: np.ndarray, width: int):
    expected = np.zeros(numbers.shape, bool)
    for number in np.unique(numbers[numbers != 0]):
        others = (numbers != 0) & (numbers != number)
        if others.any():
            near = ndimage.distance_transform_edt(~others) <= width
            expected |= near & (numbers == number)
    np.testing.assert_array_equal(borders_between(numbers, width), expected)


def test_borders_are_in_both_cells_and_not_beside_0():
    numbers = np.array([[1, 1, 2, 2, 0, 3], [1, 1, 2, 2, 0, 3], [4, 4, 4, 4, 4, 3]], np.uint8)
    expected = [[0, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]
    np.testing.assert_array_equal(borders_between(numbers), np.array(expected, bool))


@pytest.mark.parametrize("largest", [255, 65535])
def test_as_many_ids_as_a_dtype_holds_have_borders(largest: int):
    numbers = np.repeat(np.arange(largest + 1), 4)[np.newaxis]
    border = borders_between(number_instances(numbers))
    np.testing.assert_array_equal(border[0, 8:-4].reshape(-1, 4), [[1, 0, 0, 1]] * (largest - 2))


@pytest.mark.parametrize(
    "ids",
    [
        np.array([2**64 - 1, 2**64 - 2, 0, 2**63, 1], np.uint64),
        np.array([2**63 - 1, 2**63 - 2, 0, 2**53, 2**53 + 1], np.int64),
        np.array([-(2**63), 1 - 2**63, 0, -2, -1], np.int64),
        np.array([2**32 - 1, 2**32 - 2, 0, 2, 1], np.uint32),
        np.array([2.0, 3.0, 0.0, 5.0, 2.0**40]),
    ],
    ids=lambda ids: f"{ids.dtype} {ids[0]}",
)
def test_huge_and_negative_ids_stay_apart(ids: np.ndarray):
    page = np.repeat(ids, 3).reshape(1, -1)
    numbers = number_instances(page)
    assert numbers.dtype == np.uint8
    assert len(np.unique(numbers)) == 5
    np.testing.assert_array_equal(numbers == 0, page == 0)
    at_two_steps = np.isin(np.arange(15), [2, 3, 11, 12])
    np.testing.assert_array_equal(borders_between(numbers)[0], at_two_steps)


def test_negative_values_may_be_no_ids():
    numbers = number_instances(np.array([[-1, -1, 7, 3, -2]]), has_ignored=True)
    np.testing.assert_array_equal(numbers, [[0, 0, 2, 1, 0]])


@settings(deadline=None)
@given(PAGES)
def test_runs_have_every_pixel(page: np.ndarray):
    values, places, lengths = find_runs(page)
    np.testing.assert_array_equal(np.repeat(values[places], lengths), page.ravel())
    np.testing.assert_array_equal(values, np.unique(page))
