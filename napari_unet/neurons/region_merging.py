"""Merges the regions of a watershed, which are too many, by the borders between them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.watershed import BAND, for_each
from training.metrics.neuron_metrics import NEIGHBOURS, Labels

Border = tuple[float, int]  # sum of the probability along it, and its length in pixels
_NONE: Border = (0.0, 0)
_STEP = 2.0**-24  # of strengths: sums of its multiples are the same in any order


class Borders(NamedTuple):
    """Borders of regions: arrays (N,), one element for each pair of neighbours.

    ``low`` and ``high`` (int64) are numbers of regions, ``strength`` (float64) is the sum of the
    probability of membrane along their border, ``length`` (int64) that border's, in pixels.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    strength: NDArray[np.float64]
    length: NDArray[np.int64]


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
    merger = RegionMerger(int(regions.max()), find_borders(regions, probability))
    for threshold in thresholds:
        merger.merge_below(threshold)
        yield merger.numbers()[regions]


class RegionMerger:
    """Merges regions that are known by their borders alone.

    Parameters
    ----------
    count : int
        The regions are numbered from 1 to it.
    borders : Borders
        Each pair of neighbours once.
    """

    def __init__(self, count: int, borders: Borders) -> None:
        self._parents = list(range(count + 1))
        self._borders: list[dict[int, Border]] = [{} for _ in self._parents]
        means = borders.strength / borders.length
        order = np.lexsort((borders.high, borders.low, means))
        low, high, strength, length = (part[order].tolist() for part in borders)
        for one, other, border in zip(low, high, zip(strength, length, strict=True), strict=True):
            self._borders[one][other] = self._borders[other][one] = border
        # In order they are a heap.
        self._weakest = list(zip(means[order].tolist(), low, high, length, strict=True))

    def merge_below(self, threshold: float) -> None:
        """Merge neighbours while the mean along their border is below a threshold."""
        while self._weakest and self._weakest[0][0] < threshold:
            _, low, high, length = heapq.heappop(self._weakest)
            # Borders that have changed since are in the heap again; lengths only grow.
            if self._borders[low].get(high, _NONE)[1] == length:
                self._merge(low, high)

    def numbers(self) -> NDArray[np.int32]:
        """Return the new number of each region, by its old one: array (N,) of int32."""
        roots = np.array([self._root(region) for region in range(len(self._parents))])
        _, numbers = np.unique(roots, return_inverse=True)
        return np.asarray(numbers, dtype=np.int32)  # 0, of which there are no pixels, stays 0

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
            heapq.heappush(self._weakest, (border[0] / border[1], low, high, border[1]))

    def _root(self, region: int) -> int:
        while self._parents[region] != region:
            region = self._parents[region]
        return region


def find_borders(regions: Labels, probability: NDArray[np.float32]) -> Borders:
    """Find the borders of all neighbours in a slice.

    Parameters
    ----------
    regions : array (Y, X) of int
        Every pixel has a number, not 0.
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    """
    width = regions.shape[1]
    rows = max(1, BAND // width)

    def find_in(top: int) -> Borders:
        found = []
        for (here, there), step in zip(NEIGHBOURS, (1, width), strict=True):
            seen = slice(top, top + rows + (step == width))
            numbers, values = regions[seen], probability[seen]
            is_border = np.zeros(numbers.shape, bool)
            is_border[here] = numbers[here] != numbers[there]
            pixels = np.flatnonzero(is_border)
            sides = pixels, pixels + step
            of_sides = (part.take(side) for part in (numbers, values) for side in sides)
            found.append(borders_between(*of_sides))
        return join_borders(found)

    return join_borders(for_each(find_in, range(0, len(regions), rows)))


def borders_between(
    regions: Labels,
    others: Labels,
    probability: NDArray[np.float32],
    of_others: NDArray[np.float32],
) -> Borders:
    """Find the borders between pixels and the neighbours of each, one element a pair of pixels.

    Parameters
    ----------
    regions, others : arrays of int, of one shape
    probability, of_others : arrays of float32, of that shape
        Probability of membrane, 0..1.
    """
    is_border = regions != others
    here, there = regions[is_border].astype(np.int64), others[is_border].astype(np.int64)
    strengths = np.maximum(probability, of_others)[is_border].astype(np.float64)
    strengths = np.rint(strengths / _STEP) * _STEP
    ones = np.ones(len(here), np.int64)
    return Borders(np.minimum(here, there), np.maximum(here, there), strengths, ones)


def join_borders(parts: Sequence[Borders]) -> Borders:
    """Add up what is known of the same borders, so that each pair of neighbours is there once."""
    low, high, strength, length = map(np.concatenate, zip(*parts, strict=True))
    count = int(high.max(initial=0)) + 1
    pairs = low * count + high
    order = np.argsort(pairs, kind="stable")  # which is quick where much is in order
    pairs = pairs[order]
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    sums, lengths = (np.add.reduceat(part[order], starts) for part in (strength, length))
    low, high = np.divmod(pairs[starts], count)
    return Borders(low, high, sums, lengths)
