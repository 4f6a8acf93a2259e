"""The watershed of a slice from its seeds, as a minimum spanning forest of its pixels.

J. Cousty et al., "Watershed cuts: minimum spanning forests and the drop of water principle", IEEE
TPAMI 31:1362, 2009. Each pixel flows to the lowest of its four neighbours, and so to a seed or a
minimum of its own; minima are then joined with each other and with seeds by their lowest passes.
A flood with a queue of pixels (scikit-image's) gives the same but where passes are equally high,
and takes ten times as long for a slice of 4096 x 4096.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.metrics.neuron_metrics import NEIGHBOURS, Labels

BAND = 1 << 18  # pixels: their values and labels stay in a processor's cache
_TO_ROOT, _ABOVE = 1.0, 2.0  # weights: a seed's edge to the root is lighter than any pass

Pixels = NDArray[np.intp]
_Band = TypeVar("_Band")
_Found = TypeVar("_Found")


def flood(probability: NDArray[np.float32], seeds: Labels) -> Labels:
    """Flood a slice from its seeds; every pixel gets the number of one.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    seeds : array (Y, X) of int32
        Connected regions numbered from 1, at least one; 0 elsewhere.

    Returns
    -------
    array (Y, X) of int32
    """
    count = int(seeds.max())
    slice_ = _Slice(np.ascontiguousarray(probability), np.array(seeds, np.int32, order="C"))
    rows = max(1, BAND // seeds.shape[1])
    bands = [slice(top, top + rows) for top in range(0, len(seeds), rows)]
    number = count
    for minima in for_each(slice_.point_down, bands):
        slice_.pixels[minima] = np.arange(number + 1, number + 1 + len(minima), dtype=np.int32)
        number += len(minima)
    for_each(slice_.flow_down, bands)
    if number > count:
        passes = _join(for_each(lambda band: slice_.find_passes(band, count), bands))
        numbers = _span(passes, count, number)
        for_each(lambda band: slice_.renumber(band, numbers), bands)
    return slice_.labels


@dataclass(frozen=True)
class _Passes:
    """The lowest pass between each two neighbours: arrays (N,)."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    height: NDArray[np.float32]


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
        steps = np.array([-width, -1, 1, width], np.int32)
        start = rows.start * width
        there = np.arange(start, start + here.size, dtype=np.int32).reshape(here.shape)
        there += steps[way]
        is_free = labels == 0
        np.copyto(labels, np.invert(there, out=there), where=is_free)
        minima = np.flatnonzero(is_free & (lowest >= here))
        minima += start
        return minima

    def flow_down(self, rows: slice) -> None:
        """Give pixels the regions to which they flow, by ways half as long in each round."""
        pixels = np.flatnonzero(self.labels[rows] < 0)
        pixels += rows.start * self.labels.shape[1]
        there = ~self.pixels.take(pixels)
        while len(pixels):
            reached = self.pixels.take(there)
            self.pixels[pixels] = reached
            on_the_way = np.flatnonzero(reached < 0)
            pixels, there = pixels.take(on_the_way), ~reached.take(on_the_way)

    def find_passes(self, rows: slice, seeds: int) -> _Passes:
        """Find the passes to the right and down, but between seeds."""
        width, values = self.values.shape[1], self.values.reshape(-1)
        parts, steps = (rows, slice(rows.start, rows.stop + 1)), (1, width)
        found = []
        for part, step, (here, there) in zip(parts, steps, NEIGHBOURS, strict=True):
            one, other = self.labels[part][here], self.labels[part][there]
            is_pass = np.zeros(self.labels[part].shape, bool)
            is_pass[here] = (one != other) & (np.maximum(one, other) > seeds)
            pixels = np.flatnonzero(is_pass)
            pixels += rows.start * width
            beyond = pixels + step
            low, high = (self.pixels.take(side).astype(np.int64) for side in (pixels, beyond))
            height = np.maximum(values.take(pixels), values.take(beyond))
            found.append(_Passes(np.minimum(low, high), np.maximum(low, high), height))
        return _join(found)

    def renumber(self, rows: slice, numbers: NDArray[np.int32]) -> None:
        self.labels[rows] = numbers[self.labels[rows]]


def for_each(work: Callable[[_Band], _Found], bands: Sequence[_Band]) -> list[_Found]:
    """Work on bands side by side: NumPy lets threads run. None waits for what another does."""
    if len(bands) < 2:
        return [work(band) for band in bands]
    with ThreadPoolExecutor() as executor:
        return list(executor.map(work, bands))


def _join(parts: Sequence[_Passes]) -> _Passes:
    """Keep the lowest pass between each two neighbours."""
    low, high, height = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("low", "high", "height")
    )
    if not len(low):
        return _Passes(low, high, height)
    count = int(high.max()) + 1
    pairs = low * count + high
    order = np.argsort(pairs, kind="stable")  # which is quick where much is in order
    pairs = pairs[order]
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    low, high = np.divmod(pairs[starts], count)
    return _Passes(low, high, np.minimum.reduceat(height[order], starts))


def _span(passes: _Passes, seeds: int, count: int) -> NDArray[np.int32]:
    """Find the seed of each region from 1 to ``count`` by a spanning tree, whose root is 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    numbers = np.arange(seeds + 1)
    weights = np.concatenate([np.full(seeds, _TO_ROOT), _ABOVE + passes.height.astype(np.float64)])
    # SciPy takes no wider indices before 1.15.
    low = np.concatenate([np.zeros(seeds, np.int64), passes.low]).astype(np.int32)
    high = np.concatenate([numbers[1:], passes.high]).astype(np.int32)
    shape = count + 1, count + 1
    tree = minimum_spanning_tree(coo_array((weights, (low, high)), shape).tocsr()).tocoo()
    is_pass = tree.data > _TO_ROOT
    edges = tree.data[is_pass], (tree.row[is_pass], tree.col[is_pass])
    _, trees = connected_components(coo_array(edges, shape).tocsr(), directed=False)
    seed_of = np.zeros(trees.max() + 1, np.int32)
    seed_of[trees[: seeds + 1]] = numbers
    return np.asarray(seed_of[trees])
