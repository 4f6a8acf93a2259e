"""Cases worked out by hand: two regions with a wall between them, and the slices beside."""

import numpy as np
import pytest

from napari_unet.neurons.border_features import FEATURES, FloodedSlice, border_features


def halves(wall: float, columns: int = 3) -> FloodedSlice:
    """4 x 6 pixels: region 1 of some columns and region 2 of the rest, with a wall in the last."""
    regions = np.full((4, 6), 2, np.int32)
    regions[:, :columns] = 1
    probability = np.zeros((4, 6), np.float32)
    probability[:, columns - 1] = [wall, wall, wall, 0.25]
    return FloodedSlice(probability, regions, regions)


def as_one(slice_: FloodedSlice) -> FloodedSlice:
    return FloodedSlice(slice_.probability, slice_.regions, np.ones((4, 6), np.int32))


def named(here: FloodedSlice, *beside: FloodedSlice) -> dict[str, float]:
    borders, features = border_features(here, beside)
    assert (borders.low.tolist(), borders.high.tolist()) == ([1], [2])
    assert features.dtype == np.float32
    return dict(zip(FEATURES, features[0].tolist(), strict=True))


def test_the_border_and_its_regions_are_described() -> None:
    here = halves(0.75, columns=2)  # 8 and 16 pixels
    found = named(here, here)
    expected = {
        "mean": 0.625,
        "deviation": np.sqrt(3 / 4 * 1 / 4 * 0.25),
        "quantile_0": 0.25,
        "quantile_0.1": 0.25,
        "quantile_0.25": 0.75,
        "quantile_1": 0.75,
        "length": 4 / np.sqrt(12),
        "extent": np.hypot(4, 1) / 4,
        "log_smaller_area": np.log(8 / 12),
        "log_larger_area": np.log(16 / 12),
        "length_by_size": 4 / np.sqrt(8),
        "largest_share_of_rim": 1,
        "smallest_share_of_rim": 1,
        "lower_mean_of_regions": 0,
        "higher_mean_of_regions": 2.5 / 8,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_the_borders_strength_is_that_of_merging() -> None:
    borders, _ = border_features(halves(0.75), [halves(0.75)])
    assert (borders.strength.tolist(), borders.length.tolist()) == ([2.5], [4])


def test_slices_beside_that_agree_or_join_both_regions() -> None:
    here = halves(0.75)
    found = named(here, here, as_one(halves(0.25)))
    beside = {name: found[name] for name in FEATURES if name.endswith("_beside")}
    assert beside == pytest.approx(
        {
            "lower_same_beside": 0,
            "higher_same_beside": 1,
            "lower_shared_beside": 0,
            "higher_shared_beside": 1,
            "lower_filled_beside": 0,
            "higher_filled_beside": 1,
            "lower_filled_by_less_beside": 0,
            "higher_filled_by_less_beside": 0.5,
            "lower_probability_beside": 0.25,
            "higher_probability_beside": 0.625,
        }
    )


def test_regions_that_lie_over_one_in_part() -> None:
    """The left one of 12 pixels lies over both of 8 and 16, the right one over the second alone."""
    found = named(halves(0.75), halves(0.75, columns=2))
    assert found["higher_same_beside"] == pytest.approx(1 / 3)
    assert found["higher_shared_beside"] == 0


def test_a_slice_of_one_region_has_no_borders() -> None:
    whole = FloodedSlice.of(np.full((5, 7), 0.9, np.float32))
    borders, features = border_features(whole, [whole])
    assert len(borders.low) == 0 and features.shape == (0, len(FEATURES))


def test_a_slice_is_flooded_and_merged() -> None:
    """Three rooms: a wall of 0.9 and one of 0.2, which the neighbouring slices do not see."""
    probability = np.full((5, 15), 0.01, np.float32)
    probability[:, 4], probability[:, 10] = 0.9, 0.2
    found = FloodedSlice.of(probability)
    assert len(np.unique(found.regions)) == 3
    assert len(np.unique(found.merged)) == 2 and found.merged[0, 6] == found.merged[0, 14]


def test_the_pixel_size_changes_nothing_but_the_step_of_extents() -> None:
    def finer(slice_: FloodedSlice) -> FloodedSlice:
        arrays = (slice_.probability, slice_.regions, slice_.merged)
        return FloodedSlice(*(np.kron(array, np.ones((3, 3), array.dtype)) for array in arrays))

    here, beside = halves(0.75), halves(0.5, columns=2)
    found, expected = named(finer(here), finer(beside)), named(here, beside)
    assert found.pop("extent") == pytest.approx(np.hypot(12, 1) / 12)
    assert expected.pop("extent") == pytest.approx(np.hypot(4, 1) / 4)
    assert found == pytest.approx(expected)
