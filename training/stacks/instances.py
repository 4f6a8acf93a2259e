"""Ids of cells: numbered without gaps, and the membrane between them."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray


def number_instances(ids: NDArray[Any], *, has_ignored: bool = False) -> NDArray[Any]:
    """Number the ids of a slice from 1 on, in their order; 0 stays 0.

    Ids may be as far apart as they like, and of any sign and size: none are merged.

    Parameters
    ----------
    ids : array (Y, X)
        Whole numbers of any real dtype.
    has_ignored : bool
        Whether negative values are no ids; they become 0.

    Returns
    -------
    array (Y, X) of uint8, uint16 or uint32
        Of the smallest dtype that holds the largest number.
    """
    values, places, lengths = find_runs(ids)
    is_id = values > 0 if has_ignored else values != 0
    numbers = np.cumsum(is_id) * is_id
    numbers = numbers.astype(np.min_scalar_type(numbers.max()))
    return np.repeat(numbers[places], lengths).reshape(ids.shape)


def find_runs(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.intp]]:
    """Find the values of labels, and where they are: run by run, which is faster than by pixel.

    Parameters
    ----------
    labels : array (Y, X) or (N,)
        Any real dtype; at least one pixel.

    Returns
    -------
    values : array (V,)
        The different values, in rising order.
    places : array (R,) of int
        Index of the value of each run of equal pixels, in the order of rows.
    lengths : array (R,) of int
        Number of pixels of each run.
    """
    row = labels.ravel()
    starts = np.flatnonzero(np.concatenate(([True], row[1:] != row[:-1])))
    values, places = np.unique(row[starts], return_inverse=True)
    return values, places, np.diff(starts, append=row.size)


def borders_between(numbers: NDArray[Any], width: int = 1) -> NDArray[np.bool_]:
    """Find the pixels that lie within a distance of a pixel of another number.

    The distance is Euclidean, between the centres of pixels, so a border of numbers that touch is
    ``2 * width`` pixels wide: half of it in either cell. Of width 1 it is what scikit-image's
    ``find_boundaries`` finds in its mode "thick". 0 is no number: it has no border, nor do others
    have one along it, but they have one across it if it is narrow enough.

    Parameters
    ----------
    numbers : array (Y, X) of unsigned int
        As :func:`number_instances` gives them.
    width : int
        The distance in pixels, 0 or more.
    """
    largest = np.iinfo(numbers.dtype).max
    highest = _extreme_within(np.maximum, numbers, width, 0)
    lowest = _extreme_within(np.minimum, np.where(numbers == 0, largest, numbers), width, largest)
    return np.asarray((numbers != 0) & ((lowest < numbers) | (highest > numbers)))


def _extreme_within(
    choose: np.ufunc, numbers: NDArray[Any], distance: int, beyond: int
) -> NDArray[Any]:
    """Choose the least or the greatest number in a disc around each pixel of a slice (Y, X).

    A disc is made of rows, so the work grows with its radius rather than with its area.
    """
    height, width = numbers.shape
    padded = np.pad(numbers, distance, constant_values=beyond)
    of_row = padded[:, distance : distance + width].copy()
    found = numbers.copy()
    for half in range(distance + 1):
        for start in (distance - half, distance + half):
            choose(of_row, padded[:, start : start + width], out=of_row)
        for dy in range(-distance, distance + 1):
            if isqrt(distance**2 - dy**2) == half:
                top = distance + dy
                choose(found, of_row[top : top + height], out=found)
    return found
