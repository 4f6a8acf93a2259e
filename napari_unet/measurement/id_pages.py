"""Slices of labels as ids: whole numbers above 0, of up to 64 bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses
from training.stacks.even_slices import pick_evenly
from training.stacks.instances import find_runs
from training.stacks.label_pixels import ROWS, look_like_labels
from training.stacks.scaling import Slices

Ids = NDArray[np.int64] | NDArray[np.uint64]
_EXACT = np.float64(2**53)  # above it floats leave out whole numbers
_LOOKED_AT = 5  # slices whose pieces are counted
_FEW_VALUES, _ONE_PIECE = 16, 2.0


@dataclass(frozen=True)
class IdPages:
    """Labels whose slices are read as ids.

    Parameters
    ----------
    labels : array (Z, Y, X), or a file of slices
        Any real dtype.
    name : str
        What messages call them.
    classes : LabelClasses
        Where the values are classes: unknown pixels are not an object.
    """

    labels: Slices
    name: str
    classes: LabelClasses = NO_CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Ids:
        """Read a slice (Y, X) of int64, or of uint64 where the labels are.

        What is below 0 is 0, and so is what is unknown.

        Raises
        ------
        UserError
            If it has values that are no whole numbers, or is damaged.
        """
        ids = self._read(index)
        if self.classes.unknown:
            ids[ids == self.classes.unknown] = 0
        return ids

    def values_of(self, ids: Ids) -> Ids:
        """Give the values of objects in the labels, by their ids, which are the same: (N,)."""
        return ids

    def _read(self, index: int) -> Ids:
        page = np.asarray(self.labels[index])
        if page.dtype == np.uint64:
            return page.copy() if self.classes else page
        if page.dtype.kind == "f":
            is_bad = (page != np.rint(page)) | (np.abs(page) > _EXACT)
            if is_bad.any():
                raise UserError(
                    f"Slice {index} of {self.name} has the value {page[is_bad][0]:.6g}, which is "
                    "no id.",
                    "Give labels, each object of which has a whole number; --image takes images.",
                )
        ids = page.astype(np.int64)
        return np.maximum(ids, 0, out=ids)


@dataclass(frozen=True)
class Ways:
    """How a person says what labels are: options of a command, or controls of a window."""

    connected: str
    as_ids: str
    image: str


COMMAND_WAYS = Ways("Add --connected", "--as-ids", "as --image")


def check_ids(pages: IdPages, ways: Ways = COMMAND_WAYS) -> str:
    """Refuse a mask or an image, which have no ids; return what speaks against ids, or nothing.

    Slices are read until two ids are found, so only a mask is read whole.

    Parameters
    ----------
    pages : IdPages
    ways : Ways
        What the messages advise.

    Raises
    ------
    UserError
        If there are no objects, all have one value, or values change from pixel to pixel.
    """
    found: set[int] = set()
    for index in dict.fromkeys((*pick_evenly(range(len(pages)), _LOOKED_AT), *range(len(pages)))):
        values, _, _ = find_runs(pages[index])
        found |= {*values[values > 0].tolist()[:2]}
        if len(found) > 1:
            _refuse_image(pages, ways)
            return _question_classes(pages, ways)
    if not found:
        raise no_objects(pages.name)
    raise UserError(
        f"{pages.name} is a mask: {found.pop()} is its only value above 0, so objects have no ids.",
        f"{ways.connected} to number its connected parts, or {ways.as_ids} if it is one object.",
    )


def no_objects(name: str) -> UserError:
    """Say that labels, called by a name, have no objects."""
    return UserError(f"{name} has no objects: no value is above 0.", "Give other labels.")


def _refuse_image(pages: IdPages, ways: Ways) -> None:
    looked_at = pick_evenly(range(len(pages)), _LOOKED_AT)
    step = max(1, len(pages[0]) // ROWS)
    if not look_like_labels(np.stack([pages[index][::step] for index in looked_at])):
        raise UserError(
            f"{pages.name} looks like an image: most neighbouring pixels differ.",
            f"Give labels, and an image {ways.image}; choose {ways.as_ids} if its values are ids.",
        )


def _question_classes(pages: IdPages, ways: Ways) -> str:
    """Say that values look like classes; empty where they look like ids."""
    from skimage.measure import label

    values, pieces = 0, 0
    for index in pick_evenly(range(len(pages)), _LOOKED_AT):
        page = pages[index]
        count = int(np.count_nonzero(find_runs(page)[0]))
        if count > _FEW_VALUES:
            return ""
        values += count
        pieces += int(label(page, connectivity=2).max())  # type: ignore[no-untyped-call]
    if pieces <= _ONE_PIECE * values:
        return ""
    return (
        f"{pages.name} has few values in many pieces, as classes have: each value is measured as "
        f"one object. {ways.connected} to measure each connected part."
    )


class ConnectedParts:
    """The connected parts of labels as ids from 1 on, in the order of their first voxels.

    Voxels are connected where they share a face and a value. The numbers are those of
    scikit-image's ``label(labels, connectivity=1)``, made slice by slice: all slices are read once
    to find them, which takes memory for each part of each slice alone, and are read again.

    Parameters
    ----------
    pages : IdPages
        The labels; 0 is no part.
    on_slice : callable
        Called after each slice that is read.

    Attributes
    ----------
    shape, ndim, dtype
        As those of an array (Z, Y, X).
    largest : int
        The highest id, which is the number of parts.
    classes : LabelClasses
        Those of the labels.
    values : array (largest + 1,)
        The value of each part in the labels, by its id.
    """

    ndim = 3
    dtype = np.dtype(np.int64)

    def __init__(self, pages: IdPages, on_slice: Callable[[], object] = lambda: None) -> None:
        self._pages, self.name, self.classes = pages, pages.name, pages.classes
        self.shape = (len(pages), *pages[0].shape)
        self._starts: list[int] = []  # the number of parts in all slices before
        self._numbers, values = self._connect(on_slice)
        self.largest = int(self._numbers.max(initial=0))
        self.values = np.zeros(self.largest + 1, values.dtype)
        self.values[self._numbers] = values

    def __len__(self) -> int:
        return len(self._pages)

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        """Read a slice (Y, X) of int64."""
        parts, _ = self._label(index)
        is_part = parts > 0
        found = np.zeros(parts.shape, np.int64)
        found[is_part] = self._numbers[parts[is_part] - 1 + self._starts[index]]
        return found

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return (self[index] for index in range(len(self)))

    def values_of(self, ids: Ids) -> NDArray[Any]:
        """Give the values of parts in the labels, by their ids: (N,) of int."""
        return np.asarray(self.values[ids])

    def _label(self, index: int) -> tuple[NDArray[Any], Ids]:
        """Number the parts of a slice alone, from 1 on."""
        from skimage.measure import label

        page = self._pages[index]
        values, places, lengths = find_runs(page)
        numbers = (np.cumsum(values > 0) * (values > 0))[places]  # scikit-image takes no uint64
        small = np.repeat(numbers, lengths).reshape(page.shape).astype(np.int32)
        return label(small, connectivity=1), page  # type: ignore[no-untyped-call]

    def _connect(self, on_slice: Callable[[], object]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Give the final number of each part of each slice, and its value."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs, total = [], 0
        values: list[NDArray[Any]] = []
        below: tuple[NDArray[Any], Ids] | None = None
        for index in range(len(self._pages)):
            parts, page = self._label(index)
            self._starts.append(total)
            if below is not None:
                is_same = (page == below[1]) & (parts > 0)
                width = int(parts.max(initial=0)) + 1
                both = np.unique(below[0][is_same].astype(np.int64) * width + parts[is_same])
                lower, upper = np.divmod(both, width)
                pairs.append((lower - 1 + self._starts[-2], upper - 1 + total))
            total += int(parts.max(initial=0))
            numbers, first = np.unique(parts, return_index=True)
            values.append(page.ravel()[first[numbers > 0]])
            below = parts, page
            on_slice()
        ends = [np.concatenate(side) for side in zip(*pairs, strict=True)] or [[], []]
        graph = coo_array((np.ones(len(ends[0]), bool), tuple(ends)), shape=(total, total))
        _, found = connected_components(graph, directed=False)
        _, first, places = np.unique(found, return_index=True, return_inverse=True)
        order = np.empty(len(first), np.int64)
        order[np.argsort(first)] = np.arange(1, len(first) + 1)
        return np.asarray(order[places], np.int64), np.concatenate(values)
