"""Where objects touch: within a slice, across a narrow border, and from slice to slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.sums import sum_by

Pairs = tuple[NDArray[Any], NDArray[np.float64]]
"""Two numbers or ids of objects (N, 2), the lower first, and how far they touch (N,)."""


def contacts_in(numbers: NDArray[np.int32], reach: int, sides: tuple[float, ...]) -> Pairs:
    """Measure the borders that objects of a slice share, along the edges of pixels.

    Parameters
    ----------
    numbers : array (Y, X) of int32
        Objects from 1 on; 0 is none.
    reach : int
        Pixels by which every object grows into 0 first: borders of up to twice as many are
        contacts.
    sides : tuple of float
        Of a pixel (Y, X).

    Returns
    -------
    pairs : array (N, 2) of int64
        The numbers, the lower first.
    lengths : array (N,) of float64
        In the sides' unit.
    """
    from skimage.segmentation import expand_labels

    grown = expand_labels(numbers, reach) if reach else numbers  # type: ignore[no-untyped-call]
    height, width = sides
    beside = _touching(grown[:, :-1], grown[:, 1:], height)
    above = _touching(grown[:-1], grown[1:], width)
    return add_up([beside, above])


def contacts_between(lower: NDArray[Any], upper: NDArray[Any], area: float) -> Pairs:
    """Measure where an object of a slice lies under another one of the next slice.

    Parameters
    ----------
    lower, upper : array (Y, X) of int64 or uint64
        Ids; 0 is no object.
    area : float
        Of a pixel.

    Returns
    -------
    pairs : array (N, 2) of the slices' dtype
        The ids, the lower first.
    areas : array (N,) of float64
        In the unit of ``area``.
    """
    return _touching(lower, upper, area)


def add_up(found: list[Pairs]) -> Pairs:
    """Add up what was measured of the same pairs.

    Parameters
    ----------
    found : list of pairs
        Each: array (N, 2) of int64 or uint64, and array (N,) of float64; at least one.
    """
    pairs = np.concatenate([pairs for pairs, _ in found])
    measures = np.concatenate([measures for _, measures in found])
    if not len(pairs):
        return pairs, measures
    ids, places = np.unique(pairs, return_inverse=True)
    first, second = places.reshape(pairs.shape).T  # sorting one number a pair is faster than rows
    keys, places = np.unique(first * len(ids) + second, return_inverse=True)
    unique = ids[np.stack(np.divmod(keys, len(ids)), axis=1)]
    return unique, sum_by(places, measures, len(keys))


def _touching(first: NDArray[Any], second: NDArray[Any], measure: float) -> Pairs:
    is_contact = (first != second) & (first != 0) & (second != 0)
    one, other = first[is_contact], second[is_contact]
    pairs = np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1)
    wide = pairs.astype(np.int64) if pairs.dtype != np.uint64 else pairs
    return add_up([(wide, np.full(len(wide), measure))])
