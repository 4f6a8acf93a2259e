"""Tables of blocks, which add up to those of the whole slice."""

from itertools import pairwise, product

import numpy as np
import pytest

from napari_unet.neurons.border_features import features_of
from napari_unet.neurons.border_tables import BorderTable, describe_borders, join_tables


def three_slices(size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Probability and ragged regions (3, Y, X)."""
    random = np.random.default_rng(0)
    rows, columns = np.indices((size, size)) // 7
    wobble = random.integers(0, 2, (3, size, size))
    return random.random((3, size, size), np.float32), (rows + wobble) * 9 + columns + 1


def describe(edges: tuple[list[int], list[int]], others: tuple[int, ...]) -> BorderTable:
    """Describe the middle one of three slices by its blocks, the last one first."""
    pages, regions = three_slices()
    parts = []
    for (top, bottom), (left, right) in reversed(list(product(*map(pairwise, edges)))):
        core, framed = np.s_[top:bottom, left:right], np.s_[top : bottom + 1, left : right + 1]
        beside = [(pages[index][core], regions[index][core]) for index in others]
        parts.append(describe_borders(regions[1][framed], pages[1][framed], beside, (top, left)))
    return join_tables(parts)


@pytest.mark.parametrize("others", [(0, 2), (2,)])
@pytest.mark.parametrize("edges", [([0, 17, 40], [0, 1, 30, 40]), ([0, 40], [0, 20, 40])])
def test_tables_of_blocks_add_up_to_that_of_the_slice(
    edges: tuple[list[int], list[int]], others: tuple[int, ...]
) -> None:
    expected, found = describe(([0, 40], [0, 40]), others), describe(edges, others)
    assert len(expected.low) > 100
    for name in BorderTable._fields:
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        if name in ("beside", "inside"):  # sums of float64 in another order
            np.testing.assert_allclose(one, other, rtol=1e-12)
        else:
            np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(features_of(found)[1], features_of(expected)[1], rtol=1e-5)


def test_blocks_without_borders_add_up_to_none() -> None:
    page, region = np.full((4, 6), 0.5, np.float32), np.ones((4, 6), np.int32)
    block = describe_borders(region, page, [(page, region)])
    table = join_tables([block, block])
    assert len(table.low) == len(table.strengths) == 0
    assert (table.regions.tolist(), table.area.tolist()) == ([1], [48])
    assert table.seen.tolist() == [[0], [1], [1], [48]]
