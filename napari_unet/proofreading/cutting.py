"""Cuts the section of a neuron by a line, into what lies on its two sides."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError

TURN = 3  # points of the line before and after one, whose direction is the line's there
AGREEMENT = 0.5  # of a part's pixels along the line that lie on one side rather than the other
MARGIN = 10  # pixels beside the line that other slices need not follow: a neuron drifts


class Cut(NamedTuple):
    """The two sides of a line across a section, each an array (Y, X) of int8: 0, 1 or 2.

    Parameters
    ----------
    sides : array
        2 is the smaller side. The line is of side 1; what the line does not touch is 0.
    seeds : array
        The part of the sides that is not near the line, from which other slices are cut.
    """

    sides: NDArray[np.int8]
    seeds: NDArray[np.int8]


def cut_section(section: NDArray[np.bool_], line: NDArray[np.intp]) -> Cut:
    """Cut what a slice has of a neuron along a line that goes right across it.

    Parameters
    ----------
    section : array (Y, X) of bool
        The neuron in a slice.
    line : array (N, 2) of int
        Pixels (y, x) from end to end, each a neighbour of the one before; some may be outside.

    Raises
    ------
    UserError
        If the line does not cut the section in two.
    """
    from scipy import ndimage

    is_line = np.zeros(section.shape, bool)
    is_inside = ((line >= 0) & (line < section.shape)).all(axis=1)
    is_line[tuple(line[is_inside].T)] = True
    parts, count = ndimage.label(section & ~is_line)  # those that touch at a corner are apart
    is_near = ndimage.binary_dilation(is_line, np.ones((3, 3))) & (parts > 0)
    numbers = parts[is_near]
    along = np.bincount(numbers, minlength=count + 1)
    votes = np.bincount(numbers, _sides(np.argwhere(is_near), line), minlength=count + 1)
    is_split = np.abs(votes) < AGREEMENT * along  # the line ends within this part
    left, right = ((vote > 0)[parts] for vote in (votes, -votes))
    if not left.any() or not right.any() or is_split.any():
        raise UserError(
            "The line does not cut the neuron in two on its slice.",
            "Draw it right across, from one outside to the other.",
        )
    smaller, larger = sorted((left, right), key=np.count_nonzero)
    sides = np.select([smaller, larger | (is_line & section)], [2, 1]).astype(np.int8)
    distance = ndimage.distance_transform_edt(~is_line)
    least = min(MARGIN, float(distance[smaller].max()) / 2)
    return Cut(sides, np.where(distance >= least, sides, 0).astype(np.int8))


def _sides(places: NDArray[np.intp], line: NDArray[np.intp]) -> NDArray[np.float64]:
    """On which side of the nearest piece of the line each place (N, 2) is: -1, 1, or 0 on it."""
    from scipy.spatial import KDTree

    tree: Any = KDTree(line)
    nearest = tree.query(places)[1]
    last = len(line) - 1
    direction = line[np.minimum(nearest + TURN, last)] - line[np.maximum(nearest - TURN, 0)]
    offset = places - line[nearest]
    turn = direction[:, 0] * offset[:, 1] - direction[:, 1] * offset[:, 0]
    return np.asarray(np.sign(turn), np.float64)
