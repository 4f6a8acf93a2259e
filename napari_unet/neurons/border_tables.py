"""What is known of the borders between a slice's regions, in tables that blocks of it add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.metrics.neuron_metrics import NEIGHBOURS, Labels

Page = NDArray[np.float32]


class BorderTable(NamedTuple):
    """The N borders and the R regions of a slice, or of a block of it, between B slices.

    Parameters
    ----------
    low, high : array (N,) of int64
        Numbers of the regions beside a border, each pair of them once, rising.
    length : array (N,) of int64
        Pairs of neighbouring pixels that the border is made of.
    strengths : array (P,) of float32
        The higher probability of membrane of each of these pairs: rising in a border, and border
        by border.
    box : array (4, N) of int64
        The first and last row, and the first and last column, of the first pixels of the pairs.
    beside : array (B, N) of float64
        Sum of the probability that the slices beside have at those pixels.
    regions : array (R,) of int64
        Numbers of regions, rising.
    area : array (R,) of int64
        Their pixels.
    inside : array (R,) of float64
        Sum of the probability in them.
    seen : array (4, K) of int64
        Which of the slices beside (0..B-1), a region here, one there, and how many pixels they
        share.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    length: NDArray[np.int64]
    strengths: NDArray[np.float32]
    box: NDArray[np.int64]
    beside: NDArray[np.float64]
    regions: NDArray[np.int64]
    area: NDArray[np.int64]
    inside: NDArray[np.float64]
    seen: NDArray[np.int64]


def describe_borders(
    regions: Labels,
    probability: Page,
    beside: Sequence[tuple[Page, Labels]],
    corner: tuple[int, int] = (0, 0),
) -> BorderTable:
    """Describe the borders of a slice, or of a block of it.

    Parameters
    ----------
    regions : array (Y, X) of int
        Every pixel has a number from 1. Of a block with one row more below and one column more on
        the right, where it has neighbours: borders with them belong to it.
    probability : array (Y, X) of float32
        Probability of membrane, 0..1, of the same pixels.
    beside : sequence of (array (Y, X) of float32, array (Y, X) of int)
        The same of the slices before and after, of the block alone.
    corner : tuple of int
        Row and column of the first pixel in the slice.
    """
    height, width = beside[0][1].shape
    parts = []
    cores: tuple[Any, ...] = np.s_[:height], np.s_[:, :width]
    for (first, second), seen in zip(NEIGHBOURS, cores, strict=True):
        numbers, values = regions[seen], probability[seen]
        place = np.nonzero(numbers[first] != numbers[second])
        one, other = (numbers[which][place].astype(np.int64) for which in (first, second))
        heights = np.maximum(values[first][place], values[second][place])
        parts.append((np.minimum(one, other), np.maximum(one, other), heights, *place))
    low, high, strengths, row, column = map(np.concatenate, zip(*parts, strict=True))
    order, starts = _group((low, high), strengths)
    row, column = row[order], column[order]
    core = regions[:height, :width].ravel()
    counts: NDArray[np.int64] = np.bincount(core)
    inside = np.asarray(np.bincount(core, probability[:height, :width].ravel()), np.float64)
    present = np.flatnonzero(counts)
    return BorderTable(
        low[order[starts]],
        high[order[starts]],
        _lengths(starts, len(order)),
        strengths[order],
        np.array(
            [
                function.reduceat(places, starts) + start if len(starts) else starts
                for places, start in zip((row, column), corner, strict=True)
                for function in (np.minimum, np.maximum)
            ],
            np.int64,
        ),
        np.array([sum_groups(page[row, column].astype(np.float64), starts) for page, _ in beside]),
        present,
        counts[present],
        inside[present],
        np.concatenate(
            [_overlaps(number, core, there) for number, (_, there) in enumerate(beside)], 1
        ),
    )


def join_tables(parts: Sequence[BorderTable]) -> BorderTable:
    """Add up the tables of all blocks of a slice: they are then those of the whole."""
    if len(parts) == 1:
        return parts[0]
    low = np.concatenate([part.low for part in parts])
    high = np.concatenate([part.high for part in parts])
    length = np.concatenate([part.length for part in parts])
    order, starts = _group((low, high))
    border_of = np.empty(len(order), np.int32)
    border_of[order] = np.repeat(np.arange(len(starts)), _lengths(starts, len(order)))
    strengths = np.concatenate([part.strengths for part in parts])
    by_strength, _ = _group((np.repeat(border_of, length),), strengths)
    first, last, left, right = np.concatenate([part.box for part in parts], 1)[:, order]
    box = ((np.minimum, first), (np.maximum, last), (np.minimum, left), (np.maximum, right))
    beside = np.concatenate([part.beside for part in parts], 1)[:, order]
    regions = np.concatenate([part.regions for part in parts])
    by_region, of_region = _group((regions,))
    area = np.concatenate([part.area for part in parts])[by_region]
    inside = np.concatenate([part.inside for part in parts])[by_region]
    seen = np.concatenate([part.seen for part in parts], 1)
    by_pair, of_pair = _group(tuple(seen[:3]))
    return BorderTable(
        low[order[starts]],
        high[order[starts]],
        sum_groups(length[order], starts),
        strengths[by_strength],
        np.array([function.reduceat(at, starts) if len(at) else at for function, at in box]),
        np.array([sum_groups(page, starts) for page in beside]),
        regions[by_region[of_region]],
        sum_groups(area, of_region),
        sum_groups(inside, of_region),
        np.concatenate([seen[:3, by_pair[of_pair]], [sum_groups(seen[3, by_pair], of_pair)]]),
    )


def sum_groups(values: NDArray[Any], starts: NDArray[np.intp]) -> NDArray[Any]:
    """Add up the values (P,) of each group, which begin at ``starts`` (N,): array (N,).

    Of int64 or float64, as the values are.
    """
    return np.asarray(np.add.reduceat(values, starts)) if len(starts) else values[:0]


def _group(
    keys: Sequence[NDArray[Any]], then: NDArray[Any] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Sort by keys, arrays (P,), and then by another: the order (P,), and where groups begin."""
    last = () if then is None else (then,)
    order = np.lexsort((*last, *reversed(keys)))
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    return order, np.flatnonzero(is_first)


def _lengths(starts: NDArray[np.intp], count: int) -> NDArray[np.int64]:
    return np.diff(starts, append=count).astype(np.int64)


def _overlaps(number: int, regions: Labels, there: Labels) -> NDArray[np.int64]:
    """Count the pixels that regions (P,) share with those of another slice: as ``seen``."""
    width = int(there.max()) + 1
    keys = regions.astype(np.int64) * width + there.ravel()
    runs = np.flatnonzero(np.diff(keys, prepend=-1))  # few, so that little is sorted
    order, starts = _group((keys[runs],))
    count = sum_groups(_lengths(runs, len(keys))[order], starts)
    pairs = np.divmod(keys[runs][order[starts]], width)
    return np.stack([np.full(len(count), number), *pairs, count])
