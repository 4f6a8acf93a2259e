"""The watershed of a slice from its seeds, as a minimum spanning forest of its pixels.

J. Cousty et al., "Watershed cuts: minimum spanning forests and the drop of water principle", IEEE
TPAMI 31:1362, 2009. Each pixel flows to the lowest of its four neighbours, and so to a seed or a
minimum of its own; minima are then joined with each other and with seeds by their lowest passes.
A flood with a queue of pixels (scikit-image's) gives the same but where passes are equally high,
and takes ten times as long for a slice of 4096 x 4096.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.region_borders import (
    Borders,
    bands_of,
    find_borders,
    for_each,
    join_borders,
)
from training.metrics.neuron_metrics import Labels, label_neurons

_TO_ROOT, _ABOVE = 1.0, 2.0  # weights: a seed's edge to the root is lighter than any pass
_ROUNDS = 4  # for all pixels; few flow on after them
_KNOWN: Literal["clip"] = "clip"  # which NumPy takes no time to check

Pixels = NDArray[np.intp]


@dataclass(frozen=True)
class Basins:
    """The basins of a slice, and how they make up the regions of its seeds.

    Parameters
    ----------
    labels : array (Y, X) of int32
        Every pixel's basin: those of seeds have their numbers, from 1, and then those follow of the
        minima that are no seed.
    numbers : array (N + 1,) of int32
        The seed that each basin belongs to; 0 of 0, of which there are no pixels.
    borders : Borders
        Those between the regions of seeds.
    """

    labels: Labels
    numbers: NDArray[np.int32]
    borders: Borders

    @cached_property
    def regions(self) -> Labels:
        """The regions of seeds: array (Y, X) of int32, every pixel the number of one."""
        regions: Labels = self.numbers[self.labels]
        return regions


def flood(probability: NDArray[np.float32], levels: Sequence[float]) -> Basins:
    """Flood a slice from its seeds, the connected regions below a level.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    levels : sequence of float
        Rising. Below each one more seeds begin, where no seed of a lower level lies. Without a
        pixel below the last one, all of the slice is one region.
    """
    labels = label_neurons(probability < levels[0])
    seeds = int(labels.max())
    if not seeds and not (probability < levels[-1]).any():
        return Basins(np.ones_like(labels), np.arange(2, dtype=np.int32), Borders.none())
    minima = find_basins(np.ascontiguousarray(probability), labels, seeds)
    borders = find_borders(labels, probability)
    roots = find_roots(borders, seeds, probability.ravel()[minima], levels[1:])
    numbers = join_basins(borders, roots, seeds + len(minima))
    return Basins(labels, numbers, join_borders([borders], numbers))


def find_basins(probability: NDArray[np.float32], labels: Labels, seeds: int) -> Pixels:
    """Give each pixel the basin that it flows to.

    Parameters
    ----------
    probability : array (Y, X) of float32, in C's order
        Probability of membrane, 0..1.
    labels : array (Y, X) of int32, in C's order
        Seeds, and 0 elsewhere, where basins are written.
    seeds : int
        How many there are; the basins of other minima get the numbers that follow.

    Returns
    -------
    array (N,) of int
        The pixels of those minima, counted through the slice, rising.
    """
    slice_ = _Slice(probability, labels)
    bands = bands_of(labels.shape)
    minima = np.concatenate(for_each(slice_.point_down, bands))
    slice_.pixels[minima] = np.arange(seeds + 1, seeds + 1 + len(minima), dtype=np.int32)
    for_each(slice_.flow_within, bands)
    for_each(slice_.flow_on, bands)
    return minima


@dataclass(frozen=True)
class _Slice:
    """A slice that is being flooded.

    Parameters
    ----------
    values, labels : arrays (Y, X) of float32 and int32, in C's order
        Labels above 0: a region. Below: the pixel to which this one flows, all of its bits turned.
    """

    values: NDArray[np.float32]
    labels: Labels

    @property
    def pixels(self) -> NDArray[np.int32]:
        """The labels in one row."""
        return self.labels.reshape(-1)

    def point_down(self, rows: slice) -> Pixels:
        """Have the free pixels of some rows point to the lowest of their neighbours.

        Returns
        -------
        array of int
            Those that have no lower neighbour, and point anywhere.
        """
        here, labels = self.values[rows], self.labels[rows]
        width = here.shape[1]
        around = np.full((len(here) + 2, width + 2), np.inf, np.float32)
        above = max(rows.start - 1, 0)
        seen = self.values[above : rows.start + len(here) + 1]
        first = above + 1 - rows.start
        around[first : first + len(seen), 1:-1] = seen
        up, down = around[:-2, 1:-1], around[2:, 1:-1]
        left, right = around[1:-1, :-2], around[1:-1, 2:]
        lowest = np.minimum(np.minimum(up, left), np.minimum(right, down))
        # Counts those before the first that is as low as any: a few passes over bytes.
        way = (right != lowest).view(np.uint8)
        for other in (left, up):
            way += 1
            way *= other != lowest
        start = rows.start * width
        there = np.array([-width, -1, 1, width], np.int32).take(way, mode=_KNOWN)
        there += np.arange(start, start + here.size, dtype=np.int32).reshape(here.shape)
        is_free = labels == 0
        np.copyto(labels, np.invert(there, out=there), where=is_free)
        lows = np.flatnonzero(is_free & (lowest >= here))
        # On a plain they flow up or left, so that it has few minima.
        is_plain = (lowest.take(lows) == here.take(lows)) & (way.take(lows) < 2)
        minima: Pixels = lows[~is_plain]
        minima += start
        return minima

    def flow_within(self, rows: slice) -> None:
        """Give pixels what is at the end of their way, or where it leaves these rows.

        Ways are twice as long in each round.
        """
        labels = self.labels[rows].reshape(-1)
        there = np.invert(labels)
        there -= rows.start * self.labels.shape[1]
        is_within = there.view(np.uint32) < labels.size  # those below 0 are large there
        own = np.arange(labels.size, dtype=np.int32)
        ways = np.where(is_within, there, own).astype(np.intp)
        for _ in range(_ROUNDS):
            ways = ways.take(ways, mode=_KNOWN)
        left = np.flatnonzero(ways.take(ways, mode=_KNOWN) != ways)
        while len(left):
            ends = ways.take(ways.take(left))
            ways[left] = ends
            left = left[ways.take(ends) != ends]
        labels[:] = labels.take(ways, mode=_KNOWN)

    def flow_on(self, rows: slice) -> None:
        """Give the other pixels the regions to which they flow, by ways half as long each time."""
        pixels = np.flatnonzero(self.labels[rows] < 0)
        pixels += rows.start * self.labels.shape[1]
        there = ~self.pixels.take(pixels)
        while len(pixels):
            reached = self.pixels.take(there)
            self.pixels[pixels] = reached
            on_the_way = np.flatnonzero(reached < 0)
            pixels, there = pixels.take(on_the_way), ~reached.take(on_the_way)


def find_roots(
    borders: Borders, seeds: int, lowest: NDArray[np.float32], levels: Sequence[float]
) -> NDArray[np.int32]:
    """Find the basins that seeds begin with.

    Parameters
    ----------
    borders : Borders
        Those between basins.
    seeds : int
        The first basins are seeds of a lower level; how many there are.
    lowest : array (M,) of float32
        The lowest probability in each of the others.
    levels : sequence of float
        Rising: below each one basins that connect are a seed, unless they have one already.

    Returns
    -------
    array (N,) of int32
        Rising: the first basin of each seed.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = seeds + len(lowest)
    roots = np.arange(1, seeds + 1, dtype=np.int32)
    for level in levels:
        is_pass = borders.lowest < level
        ends = tuple(end[is_pass].astype(np.int32) for end in (borders.low, borders.high))
        graph = coo_array((np.ones(len(ends[0]), bool), ends), (count + 1, count + 1))
        _, groups = connected_components(graph, directed=False)
        below = np.flatnonzero(lowest < level) + seeds + 1
        free = below[~np.isin(groups[below], groups[roots])]
        _, first = np.unique(groups[free], return_index=True)
        roots = np.sort(np.concatenate([roots, free[first]])).astype(np.int32)
    return roots


def join_basins(borders: Borders, roots: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Find the seed of each basin by a spanning tree over the lowest passes, whose root is 0.

    Parameters
    ----------
    borders : Borders
        Those between basins.
    roots : array (S,) of int32
        The first basin of each seed, rising. Without a seed all basins are one region.
    count : int
        How many basins there are.

    Returns
    -------
    array (N,) of int32
        By the basins' numbers, so that N is ``count`` + 1 and the first is 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    seeds = len(roots)
    if count == seeds:
        return np.arange(count + 1, dtype=np.int32)
    if not seeds:
        return np.array([0] + [1] * count, np.int32)
    is_root = np.zeros(count + 1, bool)
    is_root[roots] = True
    is_pass = ~(is_root[borders.low] & is_root[borders.high])
    lowest = borders.lowest[is_pass].astype(np.float64)
    weights = np.concatenate([np.full(seeds, _TO_ROOT), _ABOVE + lowest])
    # SciPy takes no wider indices before 1.15.
    low = np.concatenate([np.zeros(seeds, np.int32), borders.low[is_pass].astype(np.int32)])
    high = np.concatenate([roots, borders.high[is_pass].astype(np.int32)])
    shape = count + 1, count + 1
    tree = minimum_spanning_tree(coo_array((weights, (low, high)), shape).tocsr()).tocoo()
    is_pass = tree.data > _TO_ROOT
    edges = tree.data[is_pass], (tree.row[is_pass], tree.col[is_pass])
    _, trees = connected_components(coo_array(edges, shape).tocsr(), directed=False)
    seed_of = np.zeros(trees.max() + 1, np.int32)
    seed_of[trees[roots]] = np.arange(1, seeds + 1)
    found: NDArray[np.int32] = seed_of[trees]
    return found
