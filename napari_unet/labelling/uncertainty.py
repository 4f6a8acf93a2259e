"""Where a model is least sure: slices and regions to look at and correct next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics.csv_table import csv_table

REGION_SIZE = 64
REGIONS_PER_SLICE = 5
REGIONS = 20


@dataclass(frozen=True)
class Region:
    """A rectangle of a slice.

    Parameters
    ----------
    z, y, x : int
        Its slice, and its top left pixel.
    height, width : int
        Pixels.
    score : float
        Mean entropy of its pixels in bits: 0 = sure, 1 = no idea.
    """

    z: int
    y: int
    x: int
    height: int
    width: int
    score: float


@dataclass(frozen=True)
class SliceUncertainty:
    """How unsure the model is of a slice.

    Parameters
    ----------
    z : int
        The slice.
    score : float
        Mean entropy of its pixels in bits.
    regions : tuple of Region
        Its most uncertain ones, which don't overlap, the worst first.
    """

    z: int
    score: float
    regions: tuple[Region, ...]


def entropy(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the entropy of each pixel's two classes, in bits.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1; any other shape will do as well.

    Returns
    -------
    array (Y, X) of float32
        0 where the probability is 0 or 1, 1 where it is a half.
    """
    p = np.clip(probability, np.float32(1e-6), np.float32(1 - 1e-6), dtype=np.float32)
    bits: NDArray[np.float32] = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    return bits


def slice_uncertainty(
    probability: NDArray[np.float32],
    z: int,
    size: int = REGION_SIZE,
    count: int = REGIONS_PER_SLICE,
) -> SliceUncertainty:
    """Score a slice, and find its most uncertain regions.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    z : int
        Index of the slice.
    size : int
        Side of the regions, in pixels; the shorter side of a slice that is smaller.
    count : int
        Most regions to find.
    """
    bits = entropy(probability)
    size = min(size, *bits.shape)
    means = _window_means(bits, size)
    regions: list[Region] = []
    while len(regions) < count:
        y, x = (int(place) for place in np.unravel_index(means.argmax(), means.shape))
        score = float(means[y, x])
        if score < 0:  # every other window overlaps one that was found
            break
        regions.append(Region(z, y, x, size, size, score))
        means[max(0, y - size + 1) : y + size, max(0, x - size + 1) : x + size] = -1
    return SliceUncertainty(z, float(bits.mean()), tuple(regions))


def rank_slices(slices: Iterable[SliceUncertainty]) -> list[SliceUncertainty]:
    """Sort slices, the most uncertain first."""
    return sorted(slices, key=lambda uncertainty: uncertainty.score, reverse=True)


def rank_regions(slices: Iterable[SliceUncertainty], count: int = REGIONS) -> list[Region]:
    """Find the most uncertain regions of all slices, the worst first."""
    regions = (region for uncertainty in slices for region in uncertainty.regions)
    return sorted(regions, key=lambda region: region.score, reverse=True)[:count]


def rank_uncertainty(
    probability: NDArray[np.float32], size: int = REGION_SIZE, count: int = REGIONS
) -> tuple[list[SliceUncertainty], list[Region]]:
    """Rank slices and regions of a stack, each the most uncertain first.

    Parameters
    ----------
    probability : array (Z, Y, X) of float32
        Probability of membrane, 0..1.
    size, count : int
        Side of the regions in pixels, and how many of them are kept.
    """
    slices = [slice_uncertainty(np.asarray(page), z, size) for z, page in enumerate(probability)]
    return rank_slices(slices), rank_regions(slices, count)


def uncertainty_csv(slices: Iterable[SliceUncertainty]) -> str:
    """Write a line a slice, the most uncertain first, each followed by its regions."""
    rows: list[list[object]] = []
    for ranked in rank_slices(slices):
        rows.append(["slice", ranked.z, "", "", "", "", f"{ranked.score:.6f}"])
        for region in ranked.regions:
            place = region.z, region.y, region.x, region.height, region.width
            rows.append(["region", *place, f"{region.score:.6f}"])
    return csv_table(["kind", "z", "y", "x", "height", "width", "score"], rows)


def _window_means(image: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Compute the mean of every window (size, size) that lies inside, by its top left pixel."""
    sums = np.pad(image, ((1, 0), (1, 0))).astype(np.float64).cumsum(0).cumsum(1)
    inner = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    means: NDArray[np.float64] = np.maximum(inner / size**2, 0)
    return means
