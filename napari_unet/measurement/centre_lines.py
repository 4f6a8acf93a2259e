"""Centre lines of an object, thinned in voxels that are cubes."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_unet.labelling.interpolation import signed_distance

MOST_VOXELS = 2**26  # of cubes: what a gigabyte of memory allows
_TOUCHING = np.ones((3, 3, 3), bool)

Solid = NDArray[np.bool_]


def centre_lines(
    is_object: Solid, sides: tuple[float, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Thin an object to its centre lines by scikit-image's ``skeletonize``.

    That takes voxels for cubes, so that an object of other voxels is brought to cubes of the
    shortest side first, by interpolating its signed distances; to longer voxels where these would
    be more than :data:`MOST_VOXELS`.

    Parameters
    ----------
    is_object : array (Z, Y, X) of bool
        Its box, with a voxel of nothing around it.
    sides : tuple of float
        Of a voxel (Z, Y, X).

    Returns
    -------
    cubes : array (N, 3) of int64
        Those of the lines (z, y, x), as they lie beside each other.
    centers : array (N, 3) of float64
        Their centres, in voxels of the object.
    """
    step = min(sides)
    lengths = is_object.shape
    shape = [round(length * side / step) for length, side in zip(lengths, sides, strict=True)]
    count = math.prod(shape)
    if count > MOST_VOXELS:
        longest = int(np.argmax(sides))
        fewer = shape[longest] * MOST_VOXELS // count
        shape = [*lengths]
        shape[longest] = max(fewer, lengths[longest])
    solid = is_object if shape == [*lengths] else _to_cubes(is_object, sides, shape)
    cubes = np.argwhere(_thin_parts(solid))
    return cubes, (cubes + 0.5) * lengths / shape - 0.5


def _to_cubes(is_object: Solid, sides: tuple[float, ...], shape: list[int]) -> Solid:
    """Bring an object to voxels of another shape; none of its parts falls apart."""
    from scipy.ndimage import label

    signed = signed_distance(is_object, sides)
    nearest = is_object
    for axis, count in enumerate(shape):
        length = is_object.shape[axis]
        if count == length:
            continue
        places = np.clip((np.arange(count) + 0.5) * length / count - 0.5, 0, length - 1)
        below = np.minimum(places.astype(np.intp), max(length - 2, 0))
        above = np.minimum(below + 1, length - 1)
        share = (places - below).astype(np.float32)
        share = np.expand_dims(share, [other for other in range(3) if other != axis])
        signed = signed.take(below, axis) * (1 - share) + signed.take(above, axis) * share
        nearest = nearest.take(np.rint(places).astype(np.intp), axis)
    solid = signed > 0
    # Sections of a part that touch by a corner alone are not joined by their distances.
    is_whole = label(solid, _TOUCHING)[1] == label(is_object, _TOUCHING)[1]
    return np.asarray(solid if is_whole else nearest)


def _thin_parts(solid: Solid) -> Solid:
    """Thin each part of an object, none of which vanishes."""
    from scipy.ndimage import find_objects, label

    numbers, _ = label(solid, _TOUCHING)
    lines = np.zeros_like(solid)
    for number, box in enumerate(find_objects(numbers), 1):
        lines[box] |= _thin_part(numbers[box] == number)
    return lines


def _thin_part(solid: Solid) -> Solid:
    """Thin a part; where thinning leaves nothing of it, without the first voxels along some axes.

    ``skeletonize`` takes both sides of what is symmetric and an even number of voxels thick.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import skeletonize

    padded = np.pad(solid, 1)
    for axes in product((False, True), repeat=3):
        trimmed = padded.copy()
        for axis in np.flatnonzero(axes):
            trimmed &= np.roll(padded, 1, axis)
        lines = skeletonize(trimmed)  # type: ignore[no-untyped-call]
        if lines.any():
            return np.asarray(lines[1:-1, 1:-1, 1:-1], bool)
    distances = distance_transform_edt(padded)
    deepest = np.unravel_index(distances.argmax(), distances.shape)
    padded[:] = False
    padded[deepest] = True
    return padded[1:-1, 1:-1, 1:-1]
