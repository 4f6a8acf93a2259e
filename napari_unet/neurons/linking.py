"""Neurons followed through a stack, by how the regions of its slices overlap.

Sections are too thick, and shifted too much against each other, to flood them as one volume. So
regions are linked, the surest pairs first, and a neuron takes one region a slice at most. Pairs are
of neighbouring slices, and of those one slice apart: where a slice has two neurons in one region,
each of them is linked across it, and then the region can join only one of the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.metrics.neuron_metrics import Labels

REACH = 2  # slices from one region to another that it may be linked with
LEAST_OVERLAP = (0.45, 0.65)
"""Of their union, from which on two regions may be linked, by the slices from one to the other."""
_BATCH = 1 << 16  # links that are Python's numbers at once


class Overlaps(NamedTuple):
    """How regions of a slice overlap those of an earlier one, an element for each pair that does.

    ``earlier`` and ``later`` (int64) are numbers of regions, ``pixels`` (int64) what they share.
    """

    earlier: NDArray[np.int64]
    later: NDArray[np.int64]
    pixels: NDArray[np.int64]


def count_overlaps(earlier: Labels, later: Labels) -> Overlaps:
    """Count the pixels that regions of two slices share.

    Parameters
    ----------
    earlier, later : arrays (Y, X) of int
        0 = no region.
    """
    both = (earlier > 0) & (later > 0)
    # One number a pair: sorting these, unlike rows, leaves the window's thread its turn.
    width = int(later.max(initial=0)) + 1
    pairs = earlier[both].astype(np.int64) * width + later[both]
    pairs, pixels = np.unique(pairs, return_counts=True)
    numbers, of_later = np.divmod(pairs, width)
    return Overlaps(numbers, of_later, pixels)


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
        theirs, ours, pixels = count_overlaps(other, neurons)
        union = np.bincount(other.ravel())[theirs] + np.bincount(neurons.ravel())[ours] - pixels
        is_same = 2 * pixels > union
        numbers[ours[is_same]] = theirs[is_same]
    fresh = np.flatnonzero(numbers[1:] == 0) + 1
    numbers[fresh] = total + 1 + np.arange(len(fresh), dtype=np.int32)
    return numbers


class NeuronLinker:
    """Numbers the neurons of a stack from what is counted of its slices, one after the other."""

    def __init__(self) -> None:
        self._areas: list[NDArray[np.int64]] = []
        self._starts = [0]
        nothing = np.empty(0, np.int64)
        self._links = [(nothing, nothing, np.empty(0))]

    def add(self, areas: NDArray[np.int64], overlaps: Sequence[Overlaps]) -> None:
        """Take the next slice.

        Parameters
        ----------
        areas : array (N,) of int64
            Pixels of each of its regions, by their numbers; the first is no region.
        overlaps : sequence of Overlaps
            With the slices before it, the nearest first; :data:`REACH` of them, or as many as
            there are.
        """
        self._areas.append(areas)
        self._starts.append(self._starts[-1] + len(areas))
        for distance, (earlier, later, pixels) in enumerate(overlaps, 1):
            before = len(self._areas) - 1 - distance
            union = self._areas[before][earlier] + areas[later] - pixels
            share = pixels / union
            is_link = share > LEAST_OVERLAP[distance - 1]
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
        areas = np.concatenate([np.zeros(0, np.int64), *self._areas])
        areas[self._starts[:-1]] = 0
        seen = np.flatnonzero(areas)
        neurons, first, places = np.unique(roots[seen], return_index=True, return_inverse=True)
        ranks = np.empty(len(neurons), np.int64)
        ranks[np.argsort(first)] = np.arange(1, len(neurons) + 1)
        numbers = np.zeros(len(areas), np.int64)
        numbers[seen] = ranks[places]
        return np.split(numbers, self._starts[1:-1])

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


def link_stack(
    neurons: Labels,
    slices: Sequence[int] | None = None,
    on_slice: Callable[[], object] = lambda: None,
) -> int:
    """Give the regions of a neuron one number, in place; give how many neurons there are.

    Parameters
    ----------
    neurons : array (Z, Y, X) of int32
        Regions, each with a number of its own in the stack; 0 = none. Neurons are numbered from 1.
    slices : sequence of int, optional
        Those that have been searched, rising, which are linked with each other.
    on_slice : callable
        Called after each slice whose regions are counted.
    """
    chosen = range(len(neurons)) if slices is None else slices
    if not len(chosen):
        return 0
    linker = NeuronLinker()
    regions: list[NDArray[np.intp]] = []  # the numbers that are in each slice
    before: deque[Labels] = deque(maxlen=REACH)  # the nearest first
    for index in chosen:
        areas = np.bincount(neurons[index].ravel())
        regions.append(np.flatnonzero(areas[1:]) + 1)
        page = _renumber(neurons[index], regions[-1], np.arange(1, len(regions[-1]) + 1))
        overlaps = [count_overlaps(other, page) for other in before]
        linker.add(np.concatenate([[0], areas[regions[-1]]]), overlaps)
        before.appendleft(page)
        on_slice()
    numbers = linker.numbers()
    for index, there, theirs in zip(chosen, regions, numbers, strict=True):
        neurons[index] = _renumber(neurons[index], there, theirs[1:])
    return max((int(theirs.max()) for theirs in numbers), default=0)


def _renumber(page: Labels, regions: NDArray[np.intp], numbers: NDArray[np.int64]) -> Labels:
    """Give the regions of a slice (Y, X) other numbers, in the same order; 0 stays 0."""
    table = np.zeros(int(regions.max(initial=0)) + 1, page.dtype)
    table[regions] = numbers
    return np.asarray(table[page])
