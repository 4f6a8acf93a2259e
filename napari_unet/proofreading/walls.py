"""Membrane in a mask that follows its neurons: drawn by a split, taken away by a merge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.body_index import BodyIndex, Section
from napari_unet.proofreading.edits import Edit, Volume
from napari_unet.proofreading.splitting import grown
from training.errors import UserError
from training.stacks.sparse_labels import MEMBRANE

REACH = 12  # pixels from both neurons within which membrane is that between them
Window = tuple[slice, slice]
_Wall = tuple[int, Window, NDArray[np.intp]]  # a slice, a box of it, and places (2, N) there


def plan_walls(labels: Volume, index: BodyIndex, edit: Edit, kind: str, mask: Volume) -> Edit:
    """Find what an operation on neurons changes in a mask of membranes.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
        Before the operation.
    index : BodyIndex
        Of these labels.
    edit : Edit
        What the operation changes in the labels.
    kind : str
        ``split`` or ``cut``: membrane, two pixels wide, is drawn where the parts touch in a slice.
        ``merge``: membrane between the merged neurons is erased. Nothing is changed by others.
    mask : array (Z, Y, X) of int
        0 = inside, another value = membrane.

    Raises
    ------
    UserError
        If it is not a mask.
    """
    if kind in ("split", "cut"):
        value = _membrane_value(mask, edit.slices(mask.shape)[:1])
        found = _between_parts(labels, index, edit, mask)
    elif kind == "merge":
        _membrane_value(mask, edit.slices(mask.shape)[:1])
        value, bodies = 0, [*map(int, np.unique(edit.before)), edit.after]
        found = _between_neighbours(labels, index, bodies, mask)
    else:
        return Edit.joined([], 0)
    return Edit.of_pixels(mask, [_in_volume(*wall, mask.shape) for wall in found], value)


def _in_volume(
    z: int, window: Window, places: NDArray[np.intp], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """The indices (N,) of places (2, N) of a window of a slice, in the volume as one row."""
    rows, columns = places[0] + window[0].start, places[1] + window[1].start
    return np.asarray((z * shape[1] + rows) * shape[2] + columns, np.int64)


def _membrane_value(mask: Volume, slices: Iterable[int]) -> int:
    """The value that stands for membrane in some slices; 1 where they have none."""
    largest = max((int(mask[index].max()) for index in slices), default=0)
    for index in slices:
        page = mask[index]
        if ((page != 0) & (page != largest)).any():
            raise UserError(
                f"The mask has several values in slice {index}, and is not one of membrane alone.",
                "Choose a mask whose membrane has one value, or do not draw in it.",
            )
    return largest or MEMBRANE


def _between_parts(labels: Volume, index: BodyIndex, edit: Edit, mask: Volume) -> Iterator[_Wall]:
    """Where the two parts of a neuron touch and the mask has no membrane, by slice."""
    (body,) = np.unique(edit.before)
    pixels, size = edit.pixels, labels.shape[1] * labels.shape[2]
    for z in edit.slices(labels.shape):
        section = index.sections(int(body)).get(z)
        if section is None:
            continue
        low, high = np.searchsorted(pixels, (z * size, (z + 1) * size))
        rows, columns = np.divmod(pixels[low:high] - z * size, labels.shape[2])
        is_body = labels[z][section.box] == body
        part = np.zeros(is_body.shape, bool)
        part[rows - section.top, columns - section.left] = True
        rest = is_body & ~part
        wall = (part & grown(rest)) | (rest & grown(part))
        yield z, section.box, np.stack(np.nonzero(wall & (mask[z][section.box] == 0)))


def _between_neighbours(
    labels: Volume, index: BodyIndex, bodies: list[int], mask: Volume
) -> Iterator[_Wall]:
    """The membrane that is nearer to two of some neurons than to any other, by slice and pair."""
    for first, second in combinations(bodies, 2):
        others = index.sections(second)
        for z, section in index.sections(first).items():
            window = _window(section, others.get(z), labels.shape)
            if window is None or not mask[z][window].any():
                continue
            yield z, window, _between(labels[z][window], mask[z][window], first, second)


def _between(page: NDArray[Any], mask: NDArray[Any], first: int, second: int) -> NDArray[np.intp]:
    """The places (2, N) of membrane that is within reach of two neurons, and of no nearer other."""
    places = np.stack(np.divmod(np.flatnonzero(mask), mask.shape[1]))
    first_reach = _distances(page == first, places)
    is_near = first_reach <= REACH
    places, first_reach = places[:, is_near], first_reach[is_near]
    reach = np.maximum(first_reach, _distances(page == second, places))
    is_near = reach <= REACH
    places, reach = places[:, is_near], reach[is_near]
    is_other = (page != 0) & (page != first) & (page != second)
    between: NDArray[np.intp] = places[:, _distances(is_other, places) > reach]
    return between


def _window(first: Section, second: Section | None, shape: tuple[int, ...]) -> Window | None:
    """The box within reach of two sections, and within reach of it in turn; None if there is none.

    What is nearest to a pixel within reach of both is in it.
    """
    if second is None:
        return None
    top, left = (max(ends) - REACH for ends in zip(first[:2], second[:2], strict=True))
    bottom, right = (min(ends) + REACH for ends in zip(first[2:4], second[2:4], strict=True))
    if top >= bottom or left >= right:
        return None
    rows = slice(max(0, top - REACH), min(shape[1], bottom + REACH))
    return rows, slice(max(0, left - REACH), min(shape[2], right + REACH))


def _distances(pixels: NDArray[np.bool_], places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Distances (N,) of places (2, N) from the nearest of some pixels.

    They are right up to the reach; beyond it they may be larger, or infinite.
    """
    from scipy import ndimage

    if not places.size:
        return np.empty(0)
    corner = np.maximum(places.min(axis=1) - REACH, 0)
    ends = places.max(axis=1) + REACH + 1
    around = pixels[corner[0] : ends[0], corner[1] : ends[1]]
    if not around.any():
        return np.full(places.shape[1], np.inf)
    find: Any = ndimage.distance_transform_edt
    nearest = find(~around, return_distances=False, return_indices=True)
    inside = places - corner[:, None]
    distances: NDArray[np.float64] = np.hypot(*(nearest[:, inside[0], inside[1]] - inside))
    return distances
