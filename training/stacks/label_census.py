"""Which values a stack of labels has, and how its values lie beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from training.console import list_names
from training.stacks.even_slices import pick_evenly
from training.stacks.instances import find_runs
from training.stacks.label_fit import take_middle
from training.stacks.padding import find_padding
from training.stacks.scaling import Slices

FEWEST_GREYS, _GRADED = 5, 0.45  # values, and share of slopes, from which they are no classes
LISTED_VALUES = 4  # more are given by their number and range
MEANING_SLICES = 32  # labelled ones tell what labels mean, where not all are to be read
_MOST_BYTES = 256 * 2**20  # of slices that are read together; of larger ones fewer are
_LOOKED_AT, _SIDE = 5, 2048  # slices, and pixels of a side, that are compared with their neighbours
_TABLE = 1 << 16  # values a table counts; more are sorted
_MOST_REALS = 4096  # different values of a slice; more are rounded to 10 bits of mantissa


@dataclass(frozen=True)
class LabelCensus:
    """The values of labels; whole numbers are exact, however large.

    Parameters
    ----------
    length : int
        Number of slices.
    uniform : mapping of int to float
        The only value of each slice that has just one, padding aside, by its index.
    counts : mapping of float to int
        Pixels of each value, on the other slices.
    sample : array (N, Y, X)
        Parts of up to five of the other slices, see :func:`telling_window`, with the labels' dtype.
    padding : float
        Share of the other slices' pixels that is padding of the images, 0..1.
    images : array (N, Y, X) or None
        The middles of the same parts of the images, where these are given.
    """

    length: int
    uniform: Mapping[int, float]
    counts: Mapping[float, int]
    sample: NDArray[Any]
    padding: float = 0.0
    images: NDArray[Any] | None = None

    @classmethod
    def of(cls, labels: Slices, images: Slices | None = None) -> LabelCensus:
        """Count the values of labels (Z, Y, X) of any real dtype, slice by slice.

        Labels on the padding of the images, if these are given, are not counted.
        """
        uniform: dict[int, float] = {}
        counts: Counter[float] = Counter()
        pixels = 0
        for index in range(len(labels)):
            page = tissue = np.asarray(labels[index])
            if images is not None and not is_uniform(page):
                padding = find_padding(np.asarray(images[index]))
                tissue = page[~padding] if padding.any() else page
            if not tissue.size or is_uniform(tissue):
                uniform[index] = (tissue if tissue.size else page).flat[0].item()
            else:
                counts.update(_count(tissue))
                pixels += page.size
        mixed = [index for index in range(len(labels)) if index not in uniform]
        picked = pick_evenly(mixed, _LOOKED_AT)
        sample, middles = [], []
        for index in picked:
            page = np.asarray(labels[index])
            window = telling_window(page)
            sample.append(page[window].copy())  # the page is let go
            if images is not None:
                middles.append(take_middle(np.asarray(images[index])[window]))
        padded = 1 - counts.total() / pixels if pixels else 0.0
        found = None if images is None else _stack(middles, np.float32)
        return cls(len(labels), uniform, counts, _stack(sample, page.dtype), padded, found)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the labels."""
        return self.sample.dtype

    @property
    def labelled_slices(self) -> list[int]:
        """List the slices that have more than one value: others are not labelled."""
        return [index for index in range(self.length) if index not in self.uniform]

    @cached_property
    def values(self) -> list[float]:
        """The values of the slices that have several, in order."""
        return sorted(self.counts)

    @property
    def has_whole_numbers(self) -> bool:
        """Whether all values are whole numbers."""
        return all(float(value).is_integer() for value in self.values)

    @property
    def is_probability(self) -> bool:
        """Whether all are real numbers from 0 to 1."""
        values = [*self.counts, *self.uniform.values()]
        return self.dtype.kind == "f" and 0 <= min(values) <= max(values) <= 1

    def share(self, values: list[float], among: list[float]) -> float:
        """Share of the pixels of some values that have one of these, 0..1."""
        total = sum(self.counts[value] for value in among)
        return sum(self.counts[value] for value in values) / max(total, 1)

    def summary(self) -> str:
        """Name the values of all slices: "0, 1 and 255", or "254 values from 1 to 254"."""
        values = sorted({*self.values, *self.uniform.values()})
        if len(values) > LISTED_VALUES:
            return f"{len(values)} values from {value_text(values[0])} to {value_text(values[-1])}"
        return list_names([value_text(value) for value in values])

    def gradedness(self) -> float:
        """Share of the pixels between the lowest and the highest value that lie on a slope.

        They have lower and higher values beside them. Nearly 0 for ids of cells and for
        strokes that lie apart, however thin; above 0.5 for what was smoothed, compressed as
        JPEG, or is a probability or an image. 0 where there are no such pixels.
        """
        middle = self.sample[:, 1:-1, 1:-1]
        is_between = (middle > self.values[0]) & (middle < self.values[-1])
        if not is_between.any():
            return 0.0
        is_sloping = _of_nine(np.minimum, self.sample) < middle
        is_sloping &= _of_nine(np.maximum, self.sample) > middle
        return float(is_sloping[is_between].mean())

    @property
    def is_graded(self) -> bool:
        """Whether the values are greys, such as of a probability or a smoothed mask."""
        return len(self.values) >= FEWEST_GREYS and self.gradedness() > _GRADED

    def pieces(self) -> float:
        """Mean number of pieces of a value on a slice; a little over 1 for ids of cells."""
        from scipy import ndimage

        pieces = [
            ndimage.label(page == value)[1]
            for page in self.sample
            for value in np.unique(page[page > 0])
        ]
        return float(np.mean(pieces)) if pieces else 0.0


def _stack(pages: list[NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
    return np.stack(pages) if pages else np.empty((0, 1, 1), dtype)


def _of_nine(choose: np.ufunc, pages: NDArray[Any]) -> NDArray[Any]:
    """Choose the least or the greatest of each 3 x 3 pixels of pages (N, Y, X)."""
    rows = choose(choose(pages[:, :-2], pages[:, 1:-1]), pages[:, 2:])
    return np.asarray(choose(choose(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:]))


def is_uniform(page: NDArray[Any]) -> bool:
    """Return whether all pixels (Y, X) or (N,) of any dtype, at least one, have the same value."""
    return bool(page.min() == page.max())


def read_labelled(labels: Slices, most: int) -> dict[int, NDArray[Any]]:
    """Read slices that have more than one value, evenly spread ones if these do.

    Parameters
    ----------
    labels : array (Z, Y, X), or a file of slices
        Any real dtype. It is read on only until enough are found.
    most : int
        At least 1, and fewer where so many take over 256 MiB. Where no slice has more than one
        value, up to so many of all are given.

    Returns
    -------
    mapping of int to array (Y, X)
        By the index of the slice, in rising order, with the labels' dtype; empty if there is none.
    """
    if not len(labels):
        return {}
    page = np.asarray(labels[0])  # the first that is picked as well
    most = max(1, min(most, _MOST_BYTES // max(1, page.nbytes)))
    first = pick_evenly(range(len(labels)), most)
    every = dict.fromkeys([*first, *range(len(labels))])
    mixed: dict[int, NDArray[Any]] = {}
    for index in every:
        if index:
            page = np.asarray(labels[index])
        if page.size and not is_uniform(page):
            mixed[index] = page
        if len(mixed) == most:
            break
    found = mixed or {index: np.asarray(labels[index]) for index in first}
    return {index: found[index] for index in sorted(found)}


def telling_window(page: NDArray[Any]) -> tuple[slice, slice]:
    """Give the window of a page (Y, X) of any dtype where values differ: of 2048 pixels a side.

    It is the middle, unless that has one value and others lie elsewhere.
    """
    middle = _window(page, page.shape[0] // 2, page.shape[1] // 2)
    if page[middle].size == page.size or not is_uniform(page[middle]) or is_uniform(page):
        return middle
    differs = page != page[middle][0, 0]
    rows = np.flatnonzero(differs.any(axis=1))
    row = rows[len(rows) // 2]
    columns = np.flatnonzero(differs[row])
    return _window(page, row, columns[len(columns) // 2])


def _window(page: NDArray[Any], y: int, x: int) -> tuple[slice, slice]:
    """Give the window of a page (Y, X) around a place, as far as the page's rim allows."""
    rows, columns = (
        slice(start := max(0, min(place - _SIDE // 2, side - _SIDE)), min(start + _SIDE, side))
        for place, side in zip((y, x), page.shape, strict=True)
    )
    return rows, columns


def _count(page: NDArray[Any]) -> dict[float, int]:
    if page.dtype.kind == "f":
        page = _round(page)
    low, high = page.min().item(), page.max().item()
    if page.dtype.kind in "bui" and high - low < _TABLE:
        wide = page if page.dtype == np.uint64 else page.astype(np.int64)
        table = np.bincount((wide - wide.min()).astype(np.intp).ravel())
        found = np.flatnonzero(table)
        present = [low + above for above in found.tolist()]
        return dict(zip(present, table[found].tolist(), strict=True))
    values, places, lengths = find_runs(page)
    pixels = np.zeros(len(values), np.int64)
    np.add.at(pixels, places, lengths)
    return dict(zip(values.tolist(), pixels.tolist(), strict=True))


def value_text(value: float) -> str:
    return f"{value:d}" if isinstance(value, int) else f"{value:.4g}"


def _round(page: NDArray[Any]) -> NDArray[Any]:
    """Make whole numbers integers; of many different reals keep 10 bits of mantissa."""
    whole = np.rint(page)
    if float(np.abs(whole).max()) < 2**53 and np.array_equal(whole, page):
        return np.asarray(whole.astype(np.int64))
    if len(np.unique(page)) <= _MOST_REALS:
        return page
    bits = page.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFE000)
    return np.asarray(bits.view(np.float32))
