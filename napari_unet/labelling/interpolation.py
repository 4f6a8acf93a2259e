"""Slices that need not be painted: interpolated between painted ones, or copied. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
    low, high = _bounds(first | last)
    window = slice(low[0], high[0]), slice(low[1], high[1])
    drift = _drift(first[window], last[window])
    # A shape ends at the border of its slice; moved, it stays clear of what np.roll wraps.
    margin = 2 + 2 * int(np.ceil(np.abs(drift).max()))
    depths = [_signed_distance(np.pad(mask[window], margin)) for mask in (first, last)]
    for step in range(1, count + 1):
        share = step / (count + 1)
        before = (1 - share) * _moved(depths[0], share * drift)
        after = share * _moved(depths[1], (share - 1) * drift)
        rows, columns = np.nonzero(before + after >= 0)
        yield _inside(rows + low[0] - margin, columns + low[1] - margin, first.shape)


def _bounds(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the box (y, x) of a mask (Y, X): its first pixel, and the one after its last."""
    places = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    return np.array([axis[0] for axis in places]), np.array([axis[-1] + 1 for axis in places])


def _drift(first: Mask, last: Mask) -> NDArray[np.float64]:
    """Find how far (y, x) a shape moves; 0 where there are many, whose mean says nothing."""
    from scipy import ndimage

    touching = np.ones((3, 3))
    if any(ndimage.label(mask, touching)[1] > 1 for mask in (first, last)):
        return np.zeros(2)
    centres = [np.mean(np.nonzero(mask), axis=1) for mask in (first, last)]
    drift: NDArray[np.float64] = centres[1] - centres[0]
    return drift


def _moved(depth: NDArray[np.float32], offset: NDArray[np.float64]) -> NDArray[np.float32]:
    """Move depths (Y, X) by whole pixels; their margin is wider."""
    down, right = np.rint(offset).astype(int)
    return np.roll(depth, (down, right), axis=(0, 1)) if down or right else depth


def _signed_distance(mask: Mask) -> NDArray[np.float32]:
    """Compute the distance of every pixel (Y, X) to the border, negative outside."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt
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
