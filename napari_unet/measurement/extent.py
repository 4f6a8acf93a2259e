"""The largest Feret diameter of an object in space, from its outline in each slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 8  # points that are kept without looking for their hull


def hull_points(numbers: NDArray[np.int32], count: int) -> list[NDArray[np.int32]]:
    """Find the corners of each object's convex hull in a slice.

    Parameters
    ----------
    numbers : array (Y, X) of int32
        Objects from 1 to ``count``, all of which are there; 0 is none.

    Returns
    -------
    list of array (P, 2) of int32
        Of each object in turn, pixels (y, x).
    """
    is_end = np.ones((2, *numbers.shape), bool)  # where a run of a row begins, and where it ends
    changes = numbers[:, 1:] != numbers[:, :-1]
    is_end[0, :, 1:] = is_end[1, :, :-1] = changes
    is_outer = is_end.any(axis=0) & (numbers > 0)
    points = np.argwhere(is_outer).astype(np.int32)
    owners = numbers[is_outer]
    order = np.argsort(owners, kind="stable")
    ends = np.cumsum(np.bincount(owners, minlength=count + 1)[1:])
    return [_corners(own) for own in np.split(points[order], ends)[:count]]


def feret_diameter(points: NDArray[Any], sides: tuple[float, ...]) -> float:
    """Measure the longest distance between two points of an object's surface.

    The surface is that of marching cubes, which lies half a voxel beyond the voxels' centres.

    Parameters
    ----------
    points : array (P, 3) of int
        Voxels (z, y, x), the corners of its convex hull among them.
    sides : tuple of float
        Of a voxel (Z, Y, X).

    Returns
    -------
    float
        In the sides' unit.
    """
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    surface = _with_surface(points) * np.asarray(sides)
    corners = surface[ConvexHull(surface).vertices]
    return float(pdist(corners).max())


def _corners(points: NDArray[np.int32]) -> NDArray[np.int32]:
    from scipy.spatial import ConvexHull

    if len(points) <= _FEW:
        return points
    surface = _with_surface(points)  # unlike the points, never on one line, which has no hull
    places: NDArray[np.intp] = np.unique(ConvexHull(surface).vertices % len(points))
    return points[places]


def _with_surface(points: NDArray[Any]) -> NDArray[np.float64]:
    """Give the points half a pixel to each side of pixels: all of one side, then of the next."""
    axes = np.eye(points.shape[1]) / 2
    return np.concatenate([points + shift for shift in (*axes, *-axes)])
