"""Slices that need not be painted: interpolated between painted ones, or copied. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from napari_unet.labelling.correction import Pixels, in_stack
from training.errors import UserError
from training.stacks.stack_axes import as_stack

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Filling:
    """Pixels that get a label; every one of them was 0.

    Attributes
    ----------
    indices : tuple of arrays (N,) of int
        Along each axis of the labels.
    painted : list of int
        The slices that these pixels are on.
    empty : list of int
        Slices between the two painted ones where the shapes leave nothing.
    source : list of int
        The slices that they were made from.
    """

    indices: tuple[NDArray[np.intp], ...]
    painted: list[int]
    empty: list[int]
    source: list[int]


def interpolate(labels: Any, label: int, index: int, name: str) -> Filling:
    """Fill the gap between two slices that have a label, by their signed distances.

    Raya & Udupa 1990, IEEE Transactions on Medical Imaging 9. A label of one piece on both slices
    is moved from centroid to centroid as well: it may be elsewhere on the next one.

    Parameters
    ----------
    labels : array (Z, Y, X), or (1, ..., Z, Y, X) of int
        0 is what nobody painted, and is all that is filled; may be lazy.
    label : int
        Which one; not 0.
    index : int
        A slice in the gap, or at one end of it: then the gap before goes first.
    name : str
        What the label is called.

    Raises
    ------
    UserError
        There is no gap between two slices with the label, or nothing to fill in it.
    """
    stack = as_stack(labels)
    before, after = _ends(stack, label, index, name)
    first, last = (np.asarray(stack[end]) == label for end in (before, after))
    between = _between(first, last, after - before - 1)
    return _filling(labels, dict(enumerate(between, before + 1)), [before, after], name)


def copy_from_before(labels: Any, label: int, index: int, name: str) -> Filling:
    """Put a label where it is on the slice before.

    Parameters
    ----------
    labels, label, name
        As for :func:`interpolate`.
    index : int
        The slice to fill.

    Raises
    ------
    UserError
        The slice before does not have the label, or nothing is left to fill.
    """
    stack = as_stack(labels)
    if index == 0:
        raise UserError("There is no slice before this one.", "Go to a later slice.")
    mask = np.asarray(stack[index - 1]) == label
    if not mask.any():
        problem = f"Slice {index - 1}, the one before, has nothing of {name}."
        raise UserError(problem, "Choose another label, or paint it there first.")
    return _filling(labels, {index: mask.nonzero()}, [index - 1], name)


def _ends(stack: Any, label: int, index: int, name: str) -> tuple[int, int]:
    """Find the slices with the label at both ends of a gap, the nearest to a slice."""

    def first(slices: Iterable[int]) -> int | None:
        return next((z for z in slices if (np.asarray(stack[z]) == label).any()), None)

    before = first(range(index - 1, -1, -1))
    is_painted = first([index]) is not None
    if is_painted and before is not None and before < index - 1:
        return before, index
    after = first(range(index + 1, len(stack)))
    start = index if is_painted else before
    if start is None or after is None:
        raise UserError(
            f"Only slices on one side of slice {index} have {name}."
            if (start, before, after) != (None,) * 3
            else f"No slice has {name}.",
            "Paint it on two slices that have others between them.",
        )
    if after == start + 1:
        problem = f"The slices beside slice {index} have {name} already: there is no gap."
        raise UserError(problem, "Go to a slice without it.")
    return start, after


def _between(first: Mask, last: Mask, count: int) -> Iterator[Pixels]:
    """Interpolate two masks (Y, X): the pixels of each slice in between."""
    boxes = [_bounds(mask) for mask in (first, last)]
    cut = [mask[_window(*box)] for mask, box in zip((first, last), boxes, strict=True)]
    drift = _drift(boxes[0][0], boxes[1][0], *cut)
    # With the drift taken away, whatever is interpolated lies within one of the two shapes.
    starts = np.array([boxes[0][0], boxes[1][0] - drift])
    low = starts.min(axis=0) - 1
    high = (starts + [mask.shape for mask in cut]).max(axis=0) + 1
    depths = []
    for mask, start in zip(cut, starts - low, strict=True):
        aligned = np.zeros(high - low, bool)
        aligned[_window(start, start + mask.shape)] = mask
        depths.append(signed_distance(aligned))
    for step in range(1, count + 1):
        share = step / (count + 1)
        rows, columns = np.nonzero((1 - share) * depths[0] + share * depths[1] >= 0)
        down, right = low + np.rint(share * drift).astype(int)
        yield _inside(rows + down, columns + right, first.shape)


def _window(low: NDArray[np.intp], high: NDArray[np.intp]) -> tuple[slice, slice]:
    return slice(low[0], high[0]), slice(low[1], high[1])


def _bounds(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the box (y, x) of a mask (Y, X): its first pixel, and the one after its last."""
    places = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    return np.array([axis[0] for axis in places]), np.array([axis[-1] + 1 for axis in places])


def _drift(
    start: NDArray[np.intp], end: NDArray[np.intp], first: Mask, last: Mask
) -> NDArray[np.intp]:
    """Find how far (y, x) a shape moves, in whole pixels.

    0 where there are many shapes, whose mean says nothing.

    Parameters
    ----------
    start, end : arrays (2,) of int
        Where the boxes of the two masks begin.
    first, last : arrays (Y, X) of bool
        The masks in their boxes.
    """
    from scipy import ndimage

    touching = np.ones((3, 3))
    if any(ndimage.label(mask, touching)[1] > 1 for mask in (first, last)):
        return np.zeros(2, np.intp)
    centres = [np.mean(np.nonzero(mask), axis=1) for mask in (first, last)]
    return np.asarray(np.rint(centres[1] + end - centres[0] - start), np.intp)


def signed_distance(mask: Mask, sides: tuple[float, ...] | None = None) -> NDArray[np.float32]:
    """Compute the distance of every pixel to the border, negative outside.

    Parameters
    ----------
    mask : array (Y, X) or (Z, Y, X) of bool
    sides : tuple of float, optional
        Of a pixel, along each axis; by default 1.

    Returns
    -------
    array of float32
        In the mask's shape.
    """
    from scipy import ndimage

    distance = partial(ndimage.distance_transform_edt, sampling=sides)
    return np.where(mask, distance(mask), -distance(~mask)).astype(np.float32)


def _inside(rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, ...]) -> Pixels:
    is_inside = (rows >= 0) & (columns >= 0) & (rows < shape[0]) & (columns < shape[1])
    return rows[is_inside], columns[is_inside]


def _filling(labels: Any, pages: dict[int, Pixels], source: list[int], name: str) -> Filling:
    """Keep of the pixels of each slice those that nobody painted."""
    stack = as_stack(labels)
    parts, painted, empty = [], [], []
    for index, (rows, columns) in pages.items():
        is_free = np.asarray(stack[index])[rows, columns] == 0
        parts.append((np.full(is_free.sum(), index), rows[is_free], columns[is_free]))
        if is_free.any():
            painted.append(index)
        elif not len(rows):
            empty.append(index)
    if not painted:
        _refuse(name, source, is_painted_over=len(empty) < len(pages))
    places = tuple(np.concatenate(axis) for axis in zip(*parts, strict=True))
    return Filling(in_stack(places, labels.ndim), painted, empty, source)


def _refuse(name: str, source: list[int], *, is_painted_over: bool) -> NoReturn:
    ends = " and ".join(map(str, source))
    if is_painted_over:
        raise UserError(f"All that {name} would fill is painted already.", "Erase there first.")
    raise UserError(
        f"Nothing of {name} is left between slices {ends}: its shapes there don't overlap.",
        "Paint a slice between them.",
    )
