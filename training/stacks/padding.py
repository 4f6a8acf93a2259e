"""The padding of aligned sections: a border of one value, where there is no tissue."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SHORTEST = 8  # pixels of one value along an edge, and at least an eighth of it


def find_padding(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the pixels of one value that reach from a slice's edges inwards.

    An edge is padded where many of its pixels in a row have one value; from there on, straight
    inwards, all pixels of that value are padding. So dark membranes that touch the edge, or the
    padding, are none.

    Parameters
    ----------
    image : array (Y, X)
        Any real dtype.

    Returns
    -------
    array (Y, X) of bool
        True where there is no tissue.
    """
    padding = np.zeros(image.shape, np.bool_)
    for seen, found in ((image, padding), (image.T, padding.T)):
        for inwards in (slice(None), slice(None, None, -1)):
            _mark_from_edge(seen[inwards], found[inwards])
    return padding


def find_any_padding(image: NDArray[Any]) -> NDArray[np.bool_] | Literal[False]:
    """Find padding as :func:`find_padding`, or soon tell that there is none.

    Parameters
    ----------
    image : array (Y, X)
        Any real dtype.

    Returns
    -------
    array (Y, X) of bool, or False
        True where there is no tissue; False: there is tissue everywhere.
    """
    edges = image[0], image[-1], image[:, 0], image[:, -1]
    return find_padding(image) if any(map(_long_runs, edges)) else False


def _mark_from_edge(image: NDArray[Any], padding: NDArray[np.bool_]) -> None:
    """Mark the padding that begins at the first row."""
    edge = image[0]
    for start, stop in _long_runs(edge):
        is_same = image[:, start:stop] == edge[start]
        padding[:, start:stop] |= np.logical_and.accumulate(is_same, axis=0)


def _long_runs(edge: NDArray[Any]) -> list[tuple[int, int]]:
    """Find where many pixels in a row have one value: first index, and that after the last."""
    is_change = edge[1:] != edge[:-1]
    shortest = max(SHORTEST, len(edge) / 8)
    if len(edge) - np.count_nonzero(is_change) < shortest:
        return []  # as of most slices, and soon told
    limits = np.concatenate([[0], np.flatnonzero(is_change) + 1, [len(edge)]])
    is_long = np.diff(limits) >= shortest
    return [(int(limits[index]), int(limits[index + 1])) for index in np.flatnonzero(is_long)]
