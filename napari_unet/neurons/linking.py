"""Neurons followed through a stack, by how the regions of its slices overlap.

Sections are too thick, and shifted too much against each other, to flood them as one volume. So
regions are linked, the surest pairs first, and a neuron takes one region a slice at most. Pairs are
of neighbouring slices, and of those one slice apart: where a slice has two neurons in one region,
each of them is linked across it, and then the region can join only one of the two.

Pixels count by how surely they are not membrane: where a neuron ends above another one, the
membrane between the two lies flat, and the slice shows it as a wide blur over what they share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.metrics.neuron_metrics import Labels

LEAST_OVERLAP = (0.35, 0.6)
"""Of their union, from which on two regions may be linked, by the slices from one to the other."""
REACH = len(LEAST_OVERLAP)
_BATCH = 1 << 16  # links that are Python's numbers at once
_SURE = 255  # weight of a pixel that is not membrane


class Overlaps(NamedTuple):
    """How regions of a slice overlap those of an earlier one, an element for each pair that does.

    ``earlier`` and ``later`` (int64) are numbers of regions, ``shared`` (int64) what they share:
    the sum of the lower weights of its pixels, as of a weighted Jaccard index.
    """

    earlier: NDArray[np.int64]
    later: NDArray[np.int64]
    shared: NDArray[np.int64]


def weigh_pixels(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Weigh pixels by how surely they are not membrane; sums of weights are the same in any order.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.

    Returns
    -------
    array (Y, X) of uint8
        From 1 on.
    """
    membrane = np.clip(probability, 0, 1) * np.float32(_SURE - 1)
    return np.asarray(_SURE - np.rint(membrane), np.uint8)


def weigh_regions(regions: Labels, weights: NDArray[np.uint8] | None = None) -> NDArray[np.int64]:
    """Add up the weights of each region.

    Parameters
    ----------
    regions : array (Y, X) of int
        0 = no region.
    weights : array (Y, X) of uint8, optional
        As of :func:`weigh_pixels`; None: all weigh 1.

    Returns
    -------
    array (N,) of int64
        By the regions' numbers; 0 for those that there are not, and for 0.
    """
    sums = np.bincount(regions.ravel(), None if weights is None else weights.ravel())
    sums = sums.astype(np.int64, copy=False)
    sums[:1] = 0
    return sums


def count_overlaps(
    earlier: Labels,
    later: Labels,
    of_earlier: NDArray[np.uint8],
    of_later: NDArray[np.uint8],
) -> Overlaps:
    """Find what regions of two slices share.

    Parameters
    ----------
    earlier, later : arrays (Y, X) of int
        0 = no region.
    of_earlier, of_later : arrays (Y, X) of uint8
        Their pixels' weights, as of :func:`weigh_pixels`.
    """
    from scipy.sparse import coo_array

    both = (earlier > 0) & (later > 0)
    shared = np.minimum(of_earlier[both], of_later[both]).astype(np.int64)
    shape = int(earlier.max(initial=0)) + 1, int(later.max(initial=0)) + 1
    table = coo_array((shared, (earlier[both], later[both])), shape).tocsr()  # sums duplicates
    table.sum_duplicates()
    rows = np.repeat(np.arange(shape[0]), np.diff(table.indptr))
    return Overlaps(rows, table.indices.astype(np.int64), table.data)


def follow_neurons(neurons: Labels, other: Labels | None, total: int) -> NDArray[np.int32]:
    """Number a slice's neurons by another slice while the rest of the stack is unknown.

    Two that overlap by more than half of their union are the same: at most one can, both ways.

    Parameters
    ----------
    neurons : array (Y, X) of int32
        Numbered from 1.
    other : array (Y, X) of int32, optional
        The neighbouring slice, with the numbers that its neurons were given; None: none is known.
    total : int
        The highest number so far; new ones follow it.

    Returns
    -------
    array (N + 1,) of int32
        The number of each neuron by its old one; 0 stays 0.
    """
    numbers = np.zeros(int(neurons.max(initial=0)) + 1, np.int32)
    if other is not None:
        ones = np.ones(neurons.shape, np.uint8)
        theirs, ours, pixels = count_overlaps(other, neurons, ones, ones)
        union = np.bincount(other.ravel())[theirs] + np.bincount(neurons.ravel())[ours] - pixels
        is_same = 2 * pixels > union
        numbers[ours[is_same]] = theirs[is_same]
    fresh = np.flatnonzero(numbers[1:] == 0) + 1
    numbers[fresh] = total + 1 + np.arange(len(fresh), dtype=np.int32)
    return numbers


class NeuronLinker:
    """Numbers the neurons of a stack from what is weighed of its slices, one after the other.

    Parameters
    ----------
    least : sequence of float
        As :data:`LEAST_OVERLAP`.
    """

    def __init__(self, least: Sequence[float] = LEAST_OVERLAP) -> None:
        self._least = least
        self._sizes: list[NDArray[np.int64]] = []
        self._starts = [0]
        nothing = np.empty(0, np.int64)
        self._links = [(nothing, nothing, np.empty(0))]

    def add(self, sizes: NDArray[np.int64], overlaps: Sequence[Overlaps]) -> None:
        """Take the next slice.

        Parameters
        ----------
        sizes : array (N,) of int64
            As of :func:`weigh_regions`.
        overlaps : sequence of Overlaps
            With the slices before it, the nearest first: as many as may be linked, or as there
            are.
        """
        self._sizes.append(sizes)
        self._starts.append(self._starts[-1] + len(sizes))
        for distance, (earlier, later, shared) in enumerate(overlaps, 1):
            before = len(self._sizes) - 1 - distance
            union = self._sizes[before][earlier] + sizes[later] - shared
            share = shared / union
            is_link = share > self._least[distance - 1]
            ends = self._starts[before] + earlier, self._starts[-2] + later
            self._links.append((ends[0][is_link], ends[1][is_link], share[is_link]))

    def numbers(self) -> list[NDArray[np.int64]]:
        """Number the neurons from 1, in the order in which slices show them first.

        Returns
        -------
        list of arrays (N,) of int64
            Of each slice, the neuron of each region; 0 where it has no pixels.
        """
        roots = self._link()
        sizes = np.concatenate([np.zeros(0, np.int64), *self._sizes])
        seen = np.flatnonzero(sizes)
        neurons, first, places = np.unique(roots[seen], return_index=True, return_inverse=True)
        ranks = np.empty(len(neurons), np.int64)
        ranks[np.argsort(first)] = np.arange(1, len(neurons) + 1)
        numbers = np.zeros(len(sizes), np.int64)
        numbers[seen] = ranks[places]
        return np.split(numbers, self._starts[1:-1]) if self._sizes else []

    def _link(self) -> NDArray[np.int64]:
        """Find one region of the neuron of each, the same for all of it: array of int64."""
        earlier, later, share = map(np.concatenate, zip(*self._links, strict=True))
        order = np.lexsort((later, earlier, -share))  # which no two links share
        neurons = _Neurons(self._starts)
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            for one, other in zip(earlier[batch].tolist(), later[batch].tolist(), strict=True):
                neurons.join(one, other)
        return neurons.roots()


class _Neurons:
    """Neurons that grow together, none of which has two regions in one slice.

    Parameters
    ----------
    starts : list of int
        The first region of each slice, and the number of regions.
    """

    def __init__(self, starts: list[int]) -> None:
        self._parents = list(range(starts[-1]))
        slices = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        # Of a root, a bit for each slice that its neuron is seen in.
        self._slices = [1 << index for index in slices.tolist()]

    def join(self, one: int, other: int) -> None:
        """Make two regions one neuron, unless that would have two regions in a slice."""
        one, other = self._root(one), self._root(other)
        if one != other and not self._slices[one] & self._slices[other]:
            self._parents[other] = one
            self._slices[one] |= self._slices[other]

    def roots(self) -> NDArray[np.int64]:
        return np.array([self._root(region) for region in range(len(self._parents))], np.int64)

    def _root(self, region: int) -> int:
        parents = self._parents
        while parents[region] != region:
            parents[region] = parents[parents[region]]
            region = parents[region]
        return region


class StackLinker:
    """Links the regions of a stack from its slices, given one after the other.

    Parameters
    ----------
    least : sequence of float
        As :data:`LEAST_OVERLAP`.
    """

    def __init__(self, least: Sequence[float] = LEAST_OVERLAP) -> None:
        self._linker = NeuronLinker(least)
        self._regions: list[NDArray[np.intp]] = []  # the numbers that are in each slice
        self._before: deque[tuple[Labels, NDArray[np.uint8]]] = deque(maxlen=len(least))

    def add(self, neurons: Labels, probability: NDArray[np.float32]) -> None:
        """Take the next slice.

        Parameters
        ----------
        neurons : array (Y, X) of int32
            Its regions, with any numbers from 1; 0 = none.
        probability : array (Y, X) of float32
            Probability of membrane, 0..1.
        """
        regions = np.flatnonzero(np.bincount(neurons.ravel())[1:]) + 1
        self._regions.append(regions)
        page = _renumber(neurons, regions, np.arange(1, len(regions) + 1))
        weights = weigh_pixels(probability)
        overlaps = [count_overlaps(other, page, more, weights) for other, more in self._before]
        self._linker.add(weigh_regions(page, weights), overlaps)
        self._before.appendleft((page, weights))

    def renumber(self, neurons: Labels, slices: Sequence[int] | None = None) -> int:
        """Give the regions of a neuron one number, in place; give how many neurons there are.

        Parameters
        ----------
        neurons : array (Z, Y, X) of int
            As they were given, slice by slice. Neurons are numbered from 1.
        slices : sequence of int, optional
            Those that were given; None: all.
        """
        chosen = range(len(neurons)) if slices is None else slices
        numbers = self._linker.numbers()
        for index, regions, theirs in zip(chosen, self._regions, numbers, strict=True):
            neurons[index] = _renumber(neurons[index], regions, theirs[1:])
        return max((int(theirs.max(initial=0)) for theirs in numbers), default=0)


def _renumber(page: Labels, regions: NDArray[np.intp], numbers: NDArray[np.int64]) -> Labels:
    """Give the regions of a slice (Y, X) other numbers, in the same order; 0 stays 0."""
    table = np.zeros(int(regions.max(initial=0)) + 1, page.dtype)
    table[regions] = numbers
    return np.asarray(table[page])
