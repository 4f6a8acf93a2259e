"""The surface of objects by marching cubes, from two neighbouring slices at a time.

The surface of a mask is the sum over cubes of eight voxels, and a cube has only 256 cases: their
areas are taken from scikit-image once, and objects need no mesh.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.sums import sum_by
from training.stacks.instances import find_runs

_CORNERS = tuple(product((0, 1), repeat=3))
_WHOLE = 255  # all eight voxels


@lru_cache(maxsize=4)
def areas_of_cubes(sides: tuple[float, ...]) -> NDArray[np.float64]:
    """Measure the surface in each case of a cube: array (256,) of float64, in squares of a length.

    Parameters
    ----------
    sides : tuple of float
        Of a voxel (Z, Y, X), in that length.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    areas = np.zeros(_WHOLE + 1)
    for code in range(1, _WHOLE):
        cube = np.array([code >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        vertices, faces, _, _ = marching_cubes(cube, 0.5)  # type: ignore[no-untyped-call]
        scaled = vertices.astype(np.float64) * sides
        areas[code] = mesh_surface_area(scaled, faces)  # type: ignore[no-untyped-call]
    return areas


def surface_between(
    lower: NDArray[Any], upper: NDArray[Any], sides: tuple[float, ...]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Measure the surface of each object between the middles of two slices.

    Objects end at the edges of the slices.

    Parameters
    ----------
    lower, upper : array (Y, X) of int64 or uint64
        Ids; 0 is no object.
    sides : tuple of float
        Of a voxel (Z, Y, X).

    Returns
    -------
    ids : array (N,) of the slices' dtype
    areas : array (N,) of float64
        In squares of the sides' unit.
    """
    height, width = lower.shape[0] + 1, lower.shape[1] + 1
    pages = np.pad(lower, 1), np.pad(upper, 1)
    views = [pages[z][y : y + height, x : x + width] for z, y, x in _CORNERS]
    is_mixed = np.zeros((height, width), bool)
    for view in views[1:]:
        is_mixed |= view != views[0]
    corners = [view[is_mixed] for view in views]
    table = areas_of_cubes(sides)
    ids, areas = [], []
    for place, corner in enumerate(corners):
        is_first = corner != 0
        for other in corners[:place]:
            is_first &= other != corner
        own = corner[is_first]
        codes = np.zeros(len(own), np.uint8)
        for bit, other in enumerate(corners):
            codes |= (other[is_first] == own).astype(np.uint8) << np.uint8(bit)
        ids.append(own)
        areas.append(table[codes])
    joined = np.concatenate(ids)
    if not len(joined):
        return joined, np.empty(0)
    found, places, lengths = find_runs(joined)  # neighbouring cubes are of one object, mostly
    sums = np.add.reduceat(np.concatenate(areas), np.cumsum(lengths) - lengths)
    return found, sum_by(places, sums, len(found))
