"""Membrane in a mask that follows its neurons: drawn by a split, taken away by a merge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.body_index import BodyIndex, Section
from napari_unet.proofreading.edits import Edit, Volume, as_row
from napari_unet.proofreading.giving import Giving
from napari_unet.proofreading.splitting import grown
from training.errors import UserError
from training.stacks.sparse_labels import MEMBRANE

REACH = 12  # pixels from both neurons within which membrane is that between them
MOST_AT_ONCE = 2**15  # pixels of membrane that are looked around at once
Window = tuple[slice, slice]
Pixels = NDArray[np.int64]  # (N,): indices in a volume as one row of pixels
IdsAround = Callable[[Volume, Pixels, NDArray[np.intp]], NDArray[Any]]


def plan_walls(
    labels: Volume, index: BodyIndex, edit: Edit | Giving, kind: str, mask: Volume
) -> Edit:
    """Find what an operation on neurons changes in a mask of membranes.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
        Before the operation.
    index : BodyIndex
        Of these labels.
    edit : Edit or Giving
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
    if isinstance(edit, Edit) and kind in ("split", "cut"):
        value = _membrane_value(mask, edit.slices(mask.shape)[:1])
        found = _between_parts(labels, index, edit, mask)
    elif isinstance(edit, Giving) and kind == "merge":
        _membrane_value(mask, edit.slices(mask.shape)[:1])
        value, bodies = 0, [*edit.sections, edit.after]
        found = _between_neighbours(labels, index, bodies, mask)
    else:
        return Edit.joined([], 0)
    return Edit.of_pixels(mask, [*found], value)


def _in_volume(
    z: int, window: Window, is_chosen: NDArray[np.bool_], shape: tuple[int, ...]
) -> Pixels:
    """The pixels of a window of a slice that are chosen."""
    places = np.flatnonzero(is_chosen)
    rows, columns = np.divmod(places, max(1, is_chosen.shape[1]))
    first = (z * shape[1] + window[0].start) * shape[2] + window[1].start
    return np.asarray(first + rows * shape[2] + columns, np.int64)


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


def _between_parts(labels: Volume, index: BodyIndex, edit: Edit, mask: Volume) -> Iterator[Pixels]:
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
        wall &= mask[z][section.box] == 0
        yield _in_volume(z, section.box, wall, labels.shape)


def _between_neighbours(
    labels: Volume, index: BodyIndex, bodies: Sequence[int], mask: Volume
) -> Iterator[Pixels]:
    """The membrane that is nearer to two of some neurons than to any other."""
    near = [*_near_two(labels.shape, index, bodies, mask)]
    pixels = np.concatenate([np.empty(0, np.int64), *near])
    is_inner = _is_inner(pixels, labels.shape)
    for part, ids_around in ((pixels[is_inner], _ids_around), (pixels[~is_inner], _ids_at_edge)):
        for first in range(0, len(part), MOST_AT_ONCE):
            yield _between(labels, bodies, part[first : first + MOST_AT_ONCE], ids_around)


def _near_two(
    shape: tuple[int, ...], index: BodyIndex, bodies: Sequence[int], mask: Volume
) -> Iterator[Pixels]:
    """The membrane within reach of the boxes of two of some neurons, by pair and slice."""
    for first, second in combinations(bodies, 2):
        others = index.sections(second)
        for z, section in index.sections(first).items():
            window = _window(section, others.get(z), shape)
            if window is not None:
                yield _in_volume(z, window, mask[z][window] != 0, shape)


def _window(first: Section, second: Section | None, shape: tuple[int, ...]) -> Window | None:
    """The box within reach of two sections; None if there is none."""
    if second is None:
        return None
    top, left = (max(ends) - REACH for ends in zip(first[:2], second[:2], strict=True))
    bottom, right = (min(ends) + REACH for ends in zip(first[2:4], second[2:4], strict=True))
    if top >= bottom or left >= right:
        return None
    return slice(max(0, top), min(shape[1], bottom)), slice(max(0, left), min(shape[2], right))


def _between(
    labels: Volume, bodies: Sequence[int], pixels: Pixels, ids_around: IdsAround
) -> Pixels:
    """Choose the pixels that are within reach of two neurons, and of no other that is as near.

    Rings of growing radius are looked at around each, until a second neuron is met: most of the
    membrane is a few pixels wide.
    """
    limits = np.iinfo(labels.dtype)
    met = np.zeros(len(pixels), labels.dtype)  # the only neuron so far
    found = [np.empty(0, np.int64)]
    for ring in _rings():
        ids = ids_around(labels, pixels, ring)
        (meets,) = np.nonzero(((ids != 0) & (ids != met)).any(axis=0))
        if not len(meets):
            continue
        ids = np.concatenate([met[None, meets], ids[:, meets]])
        is_id = ids != 0
        least = np.where(is_id, ids, limits.max).min(axis=0)
        most = np.where(is_id, ids, limits.min).max(axis=0)
        is_third = is_id & (ids != least) & (ids != most)
        are_wanted = np.isin(least, bodies) & np.isin(most, bodies)
        is_between = (least != most) & ~is_third.any(axis=0) & are_wanted
        found.append(pixels[meets[is_between]])
        met[meets] = least
        is_left = np.ones(len(pixels), bool)
        is_left[meets] = (least == most) & are_wanted
        pixels, met = pixels[is_left], met[is_left]
    return np.concatenate(found)


def _is_inner(pixels: Pixels, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether all that is within reach of each pixel is in its slice."""
    _, rows, columns = np.unravel_index(pixels, shape)
    is_inner = (rows >= REACH) & (rows < shape[1] - REACH)
    is_inner &= (columns >= REACH) & (columns < shape[2] - REACH)
    return np.asarray(is_inner)


def _ids_around(labels: Volume, pixels: Pixels, ring: NDArray[np.intp]) -> NDArray[Any]:
    """The ids (M, N) at offsets (M, 2) from each of some pixels, all of them in its slice."""
    offsets = ring[:, 0] * labels.shape[2] + ring[:, 1]
    return np.take(as_row(labels), offsets[:, None] + pixels, mode="clip")


def _ids_at_edge(labels: Volume, pixels: Pixels, ring: NDArray[np.intp]) -> NDArray[Any]:
    """The same near the edge of a slice; what would be beyond is nearer, and was looked at."""
    z, rows, columns = np.unravel_index(pixels, labels.shape)
    rows = np.clip(rows + ring[:, :1], 0, labels.shape[1] - 1)
    columns = np.clip(columns + ring[:, 1:], 0, labels.shape[2] - 1)
    return np.asarray(labels[z, rows, columns])


@cache
def _rings() -> list[NDArray[np.intp]]:
    """All places (N, 2) within reach, as offsets, by their distance."""
    places = np.argwhere(np.ones((2 * REACH + 1,) * 2, bool)) - REACH
    distances = (places**2).sum(axis=1)
    return [
        places[distances == distance] for distance in np.unique(distances) if distance <= REACH**2
    ]
