"""The borders between neighbouring regions of a slice: how strong and how long each one is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.metrics.neuron_metrics import NEIGHBOURS, Labels
from training.resources.limits import usable_cores

BAND = 1 << 17  # pixels: their values and labels stay in a processor's cache
_FEW = 16  # bands, which take longer with threads: those of blocks have their own already
_STEP = np.float32(2**-24)  # of strengths: sums of its multiples are the same in any order
_Band = TypeVar("_Band")
_Found = TypeVar("_Found")


class Borders(NamedTuple):
    """Borders of regions: arrays (N,), one element for each pair of neighbours.

    ``low`` and ``high`` (int64) are numbers of regions, ``strength`` (float64) is the sum of the
    probability of membrane along their border, ``length`` (int64) that border's, in pixels, and
    ``lowest`` (float32) the lowest probability on it.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    strength: NDArray[np.float64]
    length: NDArray[np.int64]
    lowest: NDArray[np.float32]

    @classmethod
    def none(cls) -> Borders:
        """Give those of a single region."""
        no_numbers = np.empty(0, np.int64)
        strength, lowest = np.empty(0, np.float64), np.empty(0, np.float32)
        return cls(no_numbers, no_numbers, strength, no_numbers, lowest)

    def only(self, is_kept: NDArray[np.bool_]) -> Borders:
        """Give some of them, by an array (N,) of bool."""
        parts: Iterable[NDArray[Any]] = self
        return Borders(*(part[is_kept] for part in parts))

    def named(self, numbers: Labels) -> Borders:
        """Give the regions new numbers, (M,) of int by the old ones; some may become the same."""
        low, high = numbers[self.low].astype(np.int64), numbers[self.high].astype(np.int64)
        is_kept = low != high
        lower, higher = np.minimum(low, high), np.maximum(low, high)
        return self._replace(low=lower, high=higher).only(is_kept)


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

    def find_in(rows: slice) -> Borders:
        found = []
        for (here, there), step in zip(NEIGHBOURS, (1, width), strict=True):
            seen = slice(rows.start, rows.stop + (step == width))
            numbers, values = regions[seen], probability[seen]
            is_border = np.zeros(numbers.shape, bool)
            np.not_equal(numbers[here], numbers[there], out=is_border[here])
            pixels = np.flatnonzero(is_border)
            beyond = pixels + step
            heights = np.maximum(values.take(pixels), values.take(beyond))
            found.append((numbers.take(pixels), numbers.take(beyond), heights))
        return _borders_of(*map(np.concatenate, zip(*found, strict=True)))

    return join_borders(for_each(find_in, bands_of(regions.shape)))


def borders_between(
    regions: Labels,
    others: Labels,
    probability: NDArray[np.float32],
    of_others: NDArray[np.float32],
) -> Borders:
    """Find the borders between pixels and the neighbours of each.

    Parameters
    ----------
    regions, others : arrays (N,) of int
    probability, of_others : arrays (N,) of float32
        Probability of membrane, 0..1.
    """
    is_border = regions != others
    heights = np.maximum(probability, of_others)[is_border]
    return _borders_of(regions[is_border], others[is_border], heights)


def join_borders(parts: Sequence[Borders], numbers: Labels | None = None) -> Borders:
    """Add up what is known of the same borders, so that each pair of neighbours is there once.

    Parameters
    ----------
    parts : sequence of Borders
    numbers : array (M,) of int, optional
        New numbers of regions by the old ones; borders of those that become the same are left out.
    """
    if numbers is not None:
        parts = [part.named(numbers) for part in parts]
    low, high, strength, length, lowest = map(np.concatenate, zip(*parts, strict=True))
    del parts
    if not len(low):
        return Borders(low, high, strength, length, lowest)
    low, high, order, starts = _group(low, high)
    strength = np.add.reduceat(strength.take(order), starts)
    length = np.add.reduceat(length.take(order), starts)
    lowest = np.minimum.reduceat(lowest.take(order), starts)
    return Borders(low, high, strength, length, lowest)


def _borders_of(here: Labels, there: Labels, heights: NDArray[np.float32]) -> Borders:
    """Find the borders of pixels (N,) of regions and their neighbours, which differ."""
    if not len(here):
        return Borders.none()
    low, high, order, starts = _group(np.minimum(here, there), np.maximum(here, there))
    heights = heights.take(order)
    strengths = (np.rint(heights / _STEP) * _STEP).astype(np.float64)
    length = np.diff(starts, append=len(heights))
    lowest = np.minimum.reduceat(heights, starts)
    return Borders(low, high, np.add.reduceat(strengths, starts), length, lowest)


def _group(
    low: NDArray[Any], high: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """Group pairs (N,) of int: each of them once, rising, their order, and where each begins."""
    count = int(high.max()) + 1
    if count <= 1 << 16:  # which NumPy sorts by their digits, in half of the time
        low, high = low.astype(np.uint16), high.astype(np.uint16)
        order = np.argsort(high, kind="stable")
        order = order.take(np.argsort(low.take(order), kind="stable"))
    else:
        # Quick where much is in order.
        order = np.argsort(low.astype(np.int64) * count + high, kind="stable")
    low, high = low.take(order), high.take(order)
    is_first = np.ones(len(low), bool)
    np.not_equal(low[1:], low[:-1], out=is_first[1:])
    is_first[1:] |= high[1:] != high[:-1]
    starts = np.flatnonzero(is_first)
    return low[starts].astype(np.int64), high[starts].astype(np.int64), order, starts


def bands_of(shape: tuple[int, ...]) -> list[slice]:
    """Cut a slice of a shape (Y, X) into bands of some rows."""
    height, width = shape
    rows = max(1, BAND // width)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def for_each(work: Callable[[_Band], _Found], bands: Sequence[_Band]) -> list[_Found]:
    """Work on bands side by side: NumPy lets threads run. None waits for what another does."""
    if len(bands) <= _FEW:
        return [work(band) for band in bands]
    with ThreadPoolExecutor(usable_cores()) as executor:
        return list(executor.map(work, bands))
