"""Slices flooded from seeds, compared with scikit-image's flood by a queue of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.segmentation import watershed as queue_flood

from napari_unet.neurons import region_borders
from napari_unet.neurons.watershed import flood
from training.metrics.neuron_metrics import label_neurons


@pytest.fixture(autouse=True)
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_borders, "BAND", 500)
    monkeypatch.setattr(region_borders, "_FEW", 1)


def smooth(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.mark.parametrize("shape", [(160, 130), (1, 300), (300, 1), (2, 2)])
def test_a_slice_is_parted_as_by_a_queue_of_pixels(shape: tuple[int, int]) -> None:
    probability = smooth(shape)
    seeds = label_neurons(probability < 0.3)
    basins = flood(probability, [0.3]).regions
    assert basins.dtype == np.int32 and basins.flags.c_contiguous
    expected = queue_flood(probability, seeds, connectivity=1)
    assert (basins == expected).mean() > 0.995
    assert (basins[seeds > 0] == seeds[seeds > 0]).all()


def test_where_passes_are_equally_high_regions_are_connected_all_the_same() -> None:
    probability = np.round(smooth((90, 80)), 1)
    seeds = label_neurons(probability < 0.3)
    basins = flood(probability, [0.3]).regions
    for number in range(1, int(seeds.max()) + 1):
        assert label_neurons(basins == number).max() == 1
    assert (basins > 0).all()


def test_each_pixel_has_a_seed_from_which_no_lower_way_leads_to_another() -> None:
    """The lowest way's highest pixel is found by a queue for each seed alone."""
    probability = smooth((40, 30), seed=1)
    seeds = label_neurons(probability < 0.3)
    basins = flood(probability, [0.3]).regions
    ways = np.stack([way_heights(probability, seeds == n) for n in range(1, seeds.max() + 1)])
    chosen = np.take_along_axis(ways, basins[None] - 1, axis=0)[0]
    np.testing.assert_array_equal(chosen, ways.min(axis=0))


def way_heights(probability: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """How high the lowest way from a seed to each pixel goes, by a flood that rises."""
    heights = np.where(seed, np.float32(0), np.float32(np.inf))
    for level in np.unique(probability):
        reached = label_neurons((probability <= level) | seed)
        is_new = np.isinf(heights) & np.isin(reached, np.unique(reached[seed]))
        heights[is_new & (reached > 0)] = level
    return heights


def test_each_level_adds_the_seeds_that_hold_none_of_a_lower_one() -> None:
    probability, levels = smooth((120, 150), seed=2), [0.1, 0.2, 0.3, 0.4]
    is_seed = np.zeros(probability.shape, bool)
    counts = []
    for level in levels:
        rooms = label_neurons(probability < level)
        is_seed |= (rooms > 0) & ~np.isin(rooms, rooms[is_seed])
        counts.append(label_neurons(is_seed).max())
    assert min(np.diff([0, *counts])) > 0
    seeds = label_neurons(is_seed)
    basins = flood(probability, levels)
    assert basins.numbers.max() == basins.regions.max() == counts[-1]
    expected = queue_flood(probability, seeds, connectivity=1)
    number_of = np.zeros(counts[-1] + 1, np.int32)  # of the seeds, which here are in another order
    number_of[seeds[is_seed]] = basins.regions[is_seed]
    assert (np.sort(number_of)[1:] == np.arange(counts[-1]) + 1).all()
    assert (basins.regions == number_of[expected]).mean() > 0.995
    assert (basins.regions == number_of[seeds])[is_seed].all()


def test_a_slice_with_nothing_below_a_level_is_one_region() -> None:
    probability = smooth((30, 40), seed=3)
    probability[:] = 0.5 + probability / 4
    assert flood(probability, [0.1, 0.4]).regions.max() == 1
    assert flood(probability, [0.1, 0.4, 0.6]).regions.max() > 1


def test_without_anything_to_flood_seeds_are_what_is_found() -> None:
    seeds = np.ones((4, 5), np.int32)
    np.testing.assert_array_equal(flood(np.zeros((4, 5), np.float32), [0.3]).regions, seeds)
