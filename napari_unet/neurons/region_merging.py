"""Merges the regions of a watershed, which are too many, by the borders between them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.region_borders import Borders, join_borders

Border = tuple[float, int]  # sum of the probability along it, and its length in pixels
Numbers = NDArray[np.intp]
_NONE: Border = (0.0, 0)
_FEW = 64  # of so many borders one is merged in a round, or a queue takes less time


def merge_regions(
    count: int, borders: Borders, thresholds: Sequence[float]
) -> Iterator[NDArray[np.int32]]:
    """Merge neighbours, those with the weakest border first, while that is below a threshold.

    A border's strength is the mean probability of membrane along it: unlike a threshold of
    pixels, a gap in a membrane merges nothing while the rest of it is seen. Hierarchical
    merging by mean boundary strength: P. Arbelaez et al., "Contour detection and hierarchical
    image segmentation", IEEE TPAMI 33:898, 2011.

    Each round merges all pairs that are each other's weakest border at once: no merge makes a
    border weaker than both that it is made of were, so that one border at a time, from a queue,
    gives the same. So nearest neighbours are chained in hierarchical clustering: F. Murtagh, "A
    survey of recent advances in hierarchical clustering algorithms", Computer Journal 26:354, 1983.

    Parameters
    ----------
    count : int
        The regions are numbered from 1 to it.
    borders : Borders
        Each pair of neighbours once.
    thresholds : sequence of float
        Rising.

    Yields
    ------
    array (N,) of int32
        For each threshold the numbers of merged regions, from 1 without gaps, by the old ones; N is
        ``count`` + 1.
    """
    borders = _find_relevant(count, borders, thresholds[-1])
    numbers = np.arange(count + 1)
    for threshold in thresholds:
        for merge in (_merge_in_rounds, _merge_in_order):
            roots = merge(count, borders, threshold)
            numbers, borders = roots[numbers], join_borders([borders], roots)
        # 0, of which there are no pixels, stays 0
        yield np.unique(numbers, return_inverse=True)[1].astype(np.int32)


def _merge_in_rounds(count: int, borders: Borders, threshold: float) -> Numbers:
    """Merge what is sure before all else, while that is much: a root for each of the regions."""
    numbers = np.arange(count + 1)
    while True:
        means = borders.strength / borders.length
        weakest = np.full(count + 1, np.inf)
        for ends in (borders.low, borders.high):
            np.minimum.at(weakest, ends, means)
        of_low, of_high = means == weakest[borders.low], means == weakest[borders.high]
        found = np.concatenate([borders.low[of_low], borders.high[of_high]])
        is_sure = np.bincount(found, minlength=count + 1) == 1  # else their order matters
        is_merged = of_low & of_high & (means < threshold)
        is_merged &= is_sure[borders.low] & is_sure[borders.high]
        if _FEW * np.count_nonzero(is_merged) < max(len(means), 1):
            return numbers
        roots = np.arange(count + 1)
        roots[borders.high[is_merged]] = borders.low[is_merged]
        numbers, borders = roots[numbers], join_borders([borders], roots)


def _merge_in_order(count: int, borders: Borders, threshold: float) -> Numbers:
    """Merge the weakest border first, of borders as weak that of the first regions: roots."""
    merger = _RegionMerger(count, _find_relevant(count, borders, threshold), threshold)
    merger.merge()
    return merger.roots()


class _RegionMerger:
    """Merges regions that are known by their borders alone, one after the other.

    Parameters
    ----------
    count : int
        The regions are numbered from 1 to it.
    borders : Borders
        Each pair of neighbours once.
    threshold : float
        Neighbours are merged while the mean along their border is below it.
    """

    def __init__(self, count: int, borders: Borders, threshold: float) -> None:
        self._parents = list(range(count + 1))
        self._borders: list[dict[int, Border]] = [{} for _ in self._parents]
        means = borders.strength / borders.length
        order = np.lexsort((borders.high, borders.low, means))
        parts = (borders.low, borders.high, borders.strength, borders.length)
        low, high, strength, length = (part[order].tolist() for part in parts)
        for one, other, border in zip(low, high, zip(strength, length, strict=True), strict=True):
            self._borders[one][other] = self._borders[other][one] = border
        # In order they are a heap.
        below = int(np.count_nonzero(means < threshold))
        self._weakest = list(zip(means[order].tolist(), low, high, length, strict=True))[:below]
        self._threshold = threshold

    def merge(self) -> None:
        while self._weakest:
            _, low, high, length = heapq.heappop(self._weakest)
            # Borders that have changed since are in the heap again; lengths only grow.
            if self._borders[low].get(high, _NONE)[1] == length:
                self._merge(low, high)

    def roots(self) -> Numbers:
        """Give a region of each one's neuron, the same for all of it: array (N,) of int."""
        return np.array([self._root(region) for region in range(len(self._parents))])

    def _merge(self, region: int, neighbour: int) -> None:
        """Merge a neighbour, with its borders, into a region."""
        self._parents[neighbour] = region
        ours, theirs = self._borders[region], self._borders[neighbour]
        self._borders[neighbour] = {}
        del ours[neighbour], theirs[region]
        for third, (strength, length) in theirs.items():
            of_third = self._borders[third]
            del of_third[neighbour]
            more = ours.get(third, _NONE)
            border = strength + more[0], length + more[1]
            ours[third] = of_third[region] = border
            low, high = (region, third) if region < third else (third, region)
            mean = border[0] / border[1]
            if mean < self._threshold:
                heapq.heappush(self._weakest, (mean, low, high, border[1]))

    def _root(self, region: int) -> int:
        while self._parents[region] != region:
            region = self._parents[region]
        return region


def _find_relevant(count: int, borders: Borders, most: float) -> Borders:
    """Leave out borders that never matter: no way of borders below a threshold leads around them.

    What is merged has a border with a third region that is no weaker than both had before. So
    regions that such a way does not connect are never merged.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    weak = borders.only(borders.strength / borders.length < most)
    shape = count + 1, count + 1
    graph = coo_array((np.ones(len(weak.low), bool), (weak.low, weak.high)), shape)
    _, parts = connected_components(graph, directed=False)
    return borders.only(parts[borders.low] == parts[borders.high])
