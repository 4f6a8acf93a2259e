"""Sums of what belongs together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sum_by(places: NDArray[Any], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Add up the values of each place.

    Parameters
    ----------
    places : array (N,) of int
        Where each value belongs, from 0 to ``count`` - 1.
    values : array (N,)
        Of any real dtype.
    count : int
        Number of places.

    Returns
    -------
    array (count,) of float64
    """
    return np.asarray(np.bincount(places, values, count), np.float64)
