"""Slices and regions ranked by the model's uncertainty."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_unet.labelling.uncertainty import (
    entropy,
    rank_regions,
    rank_uncertainty,
    slice_uncertainty,
    uncertainty_csv,
)


@pytest.fixture
def probability() -> np.ndarray:
    """Sure slices but for a square in slice 1 and a smaller one in slice 3."""
    stack = np.zeros((4, 200, 300), np.float32)
    stack[:, :, ::7] = 1
    stack[1, 60:124, 100:164] = 0.5
    stack[3, 20:40, 250:270] = 0.4
    return stack


def test_entropy_is_in_bits() -> None:
    bits = entropy(np.array([0, 0.25, 0.5, 1], np.float32))
    np.testing.assert_allclose(bits, [0, 0.811278, 1, 0], atol=1e-4)


def test_what_is_unsure_comes_first(probability: np.ndarray) -> None:
    slices, regions = rank_uncertainty(probability)
    assert [ranked.z for ranked in slices][:2] == [1, 3]
    worst, second = regions[0], next(region for region in regions if region.z == 3)
    assert (worst.z, worst.y, worst.x, worst.height, worst.width) == (1, 60, 100, 64, 64)
    assert worst.score == pytest.approx(1, abs=1e-3)
    assert second.y <= 20 < 40 <= second.y + second.height
    assert second.x <= 250 < 270 <= second.x + second.width


@settings(max_examples=40, deadline=None)
@given(
    npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.floats(0, 1, width=32),
    ),
    st.integers(1, 20),
)
def test_regions_lie_inside_and_do_not_overlap(page: np.ndarray, size: int) -> None:
    found = slice_uncertainty(page, 7, size, count=50)
    covered = np.zeros(page.shape, int)
    for region in found.regions:
        assert region.z == 7
        window = covered[region.y :, region.x :][: region.height, : region.width]
        assert window.shape == (region.height, region.width)
        window += 1
        bits = entropy(page)[region.y :, region.x :][: region.height, : region.width]
        assert region.score == pytest.approx(bits.mean(), abs=1e-5)
    assert covered.max() == 1
    scores = [region.score for region in found.regions]
    assert scores == sorted(scores, reverse=True)


def test_a_list_for_other_programs(probability: np.ndarray) -> None:
    slices, _ = rank_uncertainty(probability)
    rows = list(csv.DictReader(io.StringIO(uncertainty_csv(slices))))
    assert [row["z"] for row in rows if row["kind"] == "slice"][:2] == ["1", "3"]
    assert len(rank_regions(slices, count=3)) == 3
    first = next(row for row in rows if row["kind"] == "region")
    assert (first["y"], first["x"], first["height"]) == ("60", "100", "64")
