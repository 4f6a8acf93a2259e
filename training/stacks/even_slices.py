"""A few slices that stand for a whole stack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pick_evenly(indices: Sequence[int], most: int) -> list[int]:
    """Pick up to ``most`` of some slices, evenly spread from the first to the last.

    Parameters
    ----------
    indices : sequence of int
        Their indices, in an order that is kept.
    most : int
        At least 1; where there are no more slices than that, all are picked.
    """
    places = np.linspace(0, len(indices) - 1, min(most, len(indices)))
    return [indices[round(place)] for place in places.tolist()]
