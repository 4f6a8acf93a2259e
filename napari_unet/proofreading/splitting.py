"""Splits a neuron by two strokes, along the membrane between them, through all of its slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.edits import OnPart

PARTS = 5  # of the work on a large neuron
MOST_PIXELS = 15_000  # that are flooded at once: some ten milliseconds
Points = NDArray[np.intp]  # (N, 3): z, y, x


def split_body(
    mask: NDArray[np.bool_],
    membrane: NDArray[Any] | None,
    strokes: Sequence[Points],
    on_part: OnPart = lambda *_: None,
) -> NDArray[np.bool_]:
    """Find the part of a neuron that belongs to the second of two strokes.

    A large neuron is flooded on every n-th pixel first, and then along the border that was found,
    at full resolution.

    Parameters
    ----------
    mask : array (Z, Y, X) of bool
        The neuron in its box.
    membrane : array (Z, Y, X) or None
        Probability of membrane there; without it the border is halfway between the strokes.
    strokes : two arrays (N, 3) of int
        Pixels of the neuron.
    on_part : callable
        Called with the number of parts of the work done, and of all; what it raises ends it.

    Returns
    -------
    array (Z, Y, X) of bool
        The part of the second stroke; what no stroke reaches is not in it.
    """
    seeds = np.zeros(mask.shape, np.int32)
    for number, points in enumerate(strokes, 1):
        seeds[tuple(points.T)] = number
    step = math.ceil(math.sqrt(np.count_nonzero(mask) / MOST_PIXELS))
    if step < 2:
        return np.asarray(_flood(mask, membrane, seeds) == 2)
    parts = _refine(mask, membrane, seeds, step, on_part)
    return np.asarray(parts == 2)


def _flood(mask: NDArray[np.bool_], membrane: Any, seeds: NDArray[np.int32]) -> NDArray[np.int32]:
    from skimage.segmentation import watershed

    heights = np.zeros(mask.shape, np.float32) if membrane is None else np.asarray(membrane)
    flood: Callable[..., NDArray[np.int32]] = watershed
    return flood(heights, seeds, mask=mask)


def _refine(
    mask: NDArray[np.bool_], membrane: Any, seeds: NDArray[np.int32], step: int, on_part: OnPart
) -> NDArray[np.int32]:
    """Flood every ``step``-th pixel of each slice, then the strip where the two parts meet."""
    from scipy import ndimage

    blocks = _blocks(mask, step), _blocks(seeds, step)
    on_part(1, PARTS)
    heights = None if membrane is None else _blocks(membrane, step)
    coarse = _flood(blocks[0], heights, blocks[1])
    on_part(2, PARTS)
    is_border = np.zeros(coarse.shape, bool)
    for axis in range(3):
        lower, upper = np.moveaxis(coarse, axis, 0)[:-1], np.moveaxis(coarse, axis, 0)[1:]
        meets = (lower != upper) & (lower > 0) & (upper > 0)
        border = np.moveaxis(is_border, axis, 0)
        border[:-1] |= meets
        border[1:] |= meets
    strip = ndimage.binary_dilation(is_border, np.ones((1, 3, 3), bool))
    fine = _enlarge(np.where(strip, 0, coarse), step, mask.shape)
    fine[~mask] = 0
    fine[seeds > 0] = seeds[seeds > 0]
    on_part(3, PARTS)
    # The flood starts from the rim of the strip: the rest of the known pixels is left out of it.
    box = _around(ndimage.binary_dilation(strip, np.ones((1, 3, 3), bool)), step)
    if box is None:
        return fine
    is_unknown = _enlarge(strip[box.coarse], step, mask[box.fine].shape) & mask[box.fine]
    rim = mask[box.fine] & grown(is_unknown)
    known = np.where(rim, fine[box.fine], 0)
    on_part(4, PARTS)
    heights = None if membrane is None else membrane[box.fine]
    fine[box.fine] = np.where(rim, _flood(rim, heights, known), fine[box.fine])
    return fine


class _Box(NamedTuple):
    """A box in blocks of pixels, and in pixels."""

    coarse: tuple[slice, ...]
    fine: tuple[slice, ...]


def _around(blocks: NDArray[np.bool_], step: int) -> _Box | None:
    """Find the box of some blocks; None where there are none."""
    if not blocks.any():
        return None
    coarse = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(blocks.any(axis=others))
        coarse.append(slice(int(found[0]), int(found[-1]) + 1))
    fine = [coarse[0], *(slice(step * axis.start, step * axis.stop) for axis in coarse[1:])]
    return _Box(tuple(coarse), tuple(fine))


def grown(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add their eight neighbours in a slice to pixels (Y, X) or (Z, Y, X) of bool."""
    tall = pixels.copy()
    tall[..., 1:, :] |= pixels[..., :-1, :]
    tall[..., :-1, :] |= pixels[..., 1:, :]
    wide = tall.copy()
    wide[..., 1:] |= tall[..., :-1]
    wide[..., :-1] |= tall[..., 1:]
    return wide


def _blocks(pixels: NDArray[Any], step: int) -> NDArray[Any]:
    """The largest value of each block of ``step`` x ``step`` pixels of a slice."""
    depth, height, width = pixels.shape
    padded = np.pad(pixels, ((0, 0), (0, -height % step), (0, -width % step)))
    tall, wide = padded.shape[1] // step, padded.shape[2] // step
    rows = padded.reshape(depth, tall, step, -1).max(2)  # whole rows first: NumPy is quick at these
    return np.asarray(rows.reshape(depth, tall, wide, step).max(3))


def _enlarge(pixels: NDArray[Any], step: int, shape: tuple[int, ...]) -> NDArray[Any]:
    large = pixels.repeat(step, 1).repeat(step, 2)
    return large[:, : shape[1], : shape[2]]
