"""Slices that are picked to stand for a stack."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from training.stacks.even_slices import pick_evenly


def test_few_slices_are_all_picked() -> None:
    assert pick_evenly([], 3) == []
    assert pick_evenly([4, 2, 7], 3) == [4, 2, 7]


def test_slices_are_picked_from_one_end_to_the_other() -> None:
    assert pick_evenly(range(100, 130), 4) == [100, 110, 119, 129]


@given(st.integers(2, 300), st.integers(2, 40))
def test_no_slice_is_picked_twice_and_gaps_are_alike(length: int, most: int) -> None:
    picked = pick_evenly(range(length), most)
    gaps = {later - earlier for earlier, later in pairwise(picked)}
    assert len(picked) == min(length, most)
    assert picked[0] == 0 and picked[-1] == length - 1
    assert min(gaps) >= 1 and max(gaps) - min(gaps) <= 1
