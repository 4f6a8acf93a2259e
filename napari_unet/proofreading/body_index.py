"""Where each neuron lies, so that an operation looks at its box alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.edits import Box, Edit, Volume

LEAST_LINKED = 0.2  # of sections whose neuron goes on in the next slice, where slices are linked
LEAST_SHARED = 0.3  # of two boxes together, where they are of one neuron that goes on
FEWEST_SECTIONS = 8  # that tell whether slices are linked
DENSE_IDS = 2**22  # up to here a table of all ids is quicker than a search for those there are


class Section(NamedTuple):
    """What a slice has of a neuron: the box of its pixels, ends excluded, and their number."""

    top: int
    left: int
    bottom: int
    right: int
    area: int

    @property
    def box(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def box_area(self) -> int:
        """The pixels of the box."""
        return (self.bottom - self.top) * (self.right - self.left)


class BodyIndex:
    """The sections of every id of labels (Z, Y, X), by slice.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
        In memory; :meth:`follow` follows what changes in it.
    on_slice : callable, optional
        Called with the number of slices done and of all.
    """

    def __init__(self, labels: Volume, on_slice: Callable[[int, int], None] = lambda *_: None):
        self._labels = labels
        self._bodies: dict[int, dict[int, Section]] = {}
        for index in range(len(labels)):
            for body, section in self._find(index):
                self._bodies.setdefault(body, {})[index] = section
            on_slice(index + 1, len(labels))

    @property
    def ids(self) -> list[int]:
        return sorted(self._bodies)

    @property
    def free_id(self) -> int:
        """An id that no neuron has."""
        return max(self._bodies, default=0) + 1

    @property
    def are_slices_linked(self) -> bool:
        """Whether an id means the same neuron from slice to slice; too few tell nothing."""
        filled = {index for found in list(self._bodies.values()) for index in list(found)}
        count = going_on = 0
        for found in list(self._bodies.values()):
            for index, section in list(found.items()):
                if index + 1 in filled:
                    count += 1
                    going_on += _meet(section, found.get(index + 1))
        return count < FEWEST_SECTIONS or going_on >= LEAST_LINKED * count

    def sections(self, body: int) -> dict[int, Section]:
        """The sections of a neuron by the indices of their slices; empty where there is none."""
        return self._bodies.get(body, {})

    def box(self, bodies: Iterable[int]) -> Box | None:
        """The box around some neurons in all slices; None where none of them is."""
        found = [item for body in bodies for item in self.sections(body).items()]
        if not found:
            return None
        depths = [index for index, _ in found]
        tops, lefts, bottoms, rights = zip(*(section[:4] for _, section in found), strict=True)
        return (
            slice(min(depths), max(depths) + 1),
            slice(min(tops), max(bottoms)),
            slice(min(lefts), max(rights)),
        )

    def follow(self, index: int, edit: Edit, *, is_undo: bool) -> None:
        """Take over what an edit of one slice has just changed in the labels, or its undo."""
        gained = _sections_of(edit, self._labels.shape)
        whole = {} if edit.after <= 0 else {edit.after: _joined([*gained.values()])}
        gained = {body: section for body, section in gained.items() if body > 0}
        for body, section in (whole if is_undo else gained).items():
            self._set(body, index, self._rest(body, index, section.area))
        for body, section in (gained if is_undo else whole).items():
            former = self.sections(body).get(index)
            self._set(body, index, section if former is None else _joined([former, section]))

    def _rest(self, body: int, index: int, lost: int) -> Section | None:
        """Look at what a slice has left of a neuron that lost some pixels there."""
        former = self.sections(body).get(index)
        if former is None or former.area <= lost:
            return None
        return _section(self._labels[index][former.box] == body, former.top, former.left)

    def _set(self, body: int, index: int, section: Section | None) -> None:
        """Change a section; whoever goes through those of a neuron meanwhile has the old ones."""
        sections = {**self.sections(body)}
        if section is not None:
            sections[index] = section
        else:
            sections.pop(index, None)
        if sections:
            self._bodies[body] = sections
        else:
            self._bodies.pop(body, None)

    def look_at_slice(self, index: int) -> None:
        """Find all ids of a slice again, which a brush has painted on."""
        for body in [body for body, found in self._bodies.items() if index in found]:
            self._set(body, index, None)
        for body, section in self._find(index):
            self._set(body, index, section)

    def _find(self, index: int) -> Iterator[tuple[int, Section]]:
        """Find all ids of a slice."""
        from scipy import ndimage

        page, numbers = _numbered(self._labels[index])
        areas = np.bincount(page.ravel(), minlength=len(numbers))
        for place, box in enumerate(ndimage.find_objects(page), 1):
            if box is not None and numbers[place] > 0:
                rows, columns = box
                section = Section(
                    rows.start, columns.start, rows.stop, columns.stop, int(areas[place])
                )
                yield int(numbers[place]), section


def _meet(former: Section, latter: Section | None) -> bool:
    """Whether two sections are where one neuron would be; those of other neurons may touch."""
    if latter is None:
        return False
    height = min(former.bottom, latter.bottom) - max(former.top, latter.top)
    width = min(former.right, latter.right) - max(former.left, latter.left)
    shared = max(0, height) * max(0, width)
    return shared >= LEAST_SHARED * (former.box_area + latter.box_area - shared)


def _numbered(page: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Number the ids of a slice (Y, X) from 0 to few: its numbers, and the id of each."""
    largest = int(page.max(initial=0))
    if page.min(initial=0) >= 0 and largest < DENSE_IDS:
        return page, np.arange(largest + 1)
    ids, numbers = np.unique(page, return_inverse=True)
    # Number 0 stands for nothing, whether or not there is any.
    return numbers.reshape(page.shape) + 1, np.concatenate([[0], ids])


def _sections_of(edit: Edit, shape: tuple[int, ...]) -> dict[int, Section]:
    """The pixels of an edit of one slice, by the ids that they had."""
    rows, lefts = np.divmod(edit.starts, shape[2])
    rows %= shape[1]
    order = np.argsort(edit.before, kind="stable")
    ids, firsts = np.unique(edit.before[order], return_index=True)

    def of_each(function: Any, values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(function.reduceat(values[order], firsts))

    columns = (
        of_each(np.minimum, rows),
        of_each(np.minimum, lefts),
        of_each(np.maximum, rows) + 1,
        of_each(np.maximum, lefts + edit.lengths),
        of_each(np.add, edit.lengths),
    )
    return {int(body): Section(*map(int, row)) for body, *row in zip(ids, *columns, strict=True)}


def _joined(sections: list[Section]) -> Section:
    """What several sections of one slice are as one."""
    tops, lefts, bottoms, rights, areas = zip(*sections, strict=True)
    return Section(min(tops), min(lefts), max(bottoms), max(rights), sum(areas))


def _section(mask: NDArray[np.bool_], top: int, left: int) -> Section | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    ends = (int(rows[-1]) + 1 + top, int(columns[-1]) + 1 + left)
    area = int(np.count_nonzero(mask))
    return Section(int(rows[0]) + top, int(columns[0]) + left, *ends, area)
