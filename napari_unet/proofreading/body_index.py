"""Where each neuron lies, so that an operation looks at its box alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.edits import Box, Volume

LEAST_LINKED = 0.2  # of sections whose neuron goes on in the next slice, where slices are linked
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


class BodyIndex:
    """The sections of every id of labels (Z, Y, X), by slice.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
        In memory; :meth:`look_again` follows what changes in it.
    on_slice : callable, optional
        Called with the number of slices done and of all.
    """

    def __init__(self, labels: Volume, on_slice: Callable[[int, int], None] = lambda *_: None):
        self._labels = labels
        self._bodies: dict[int, dict[int, Section]] = {}
        for index in range(len(labels)):
            self._add_slice(index)
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

    def look_again(self, bodies: Iterable[int], box: Box) -> None:
        """Find some ids anew, all of whose pixels are within a box."""
        for body in bodies:
            self._bodies.pop(body, None)
        top, left = box[1].start, box[2].start
        for index in range(box[0].start, box[0].stop):
            page = self._labels[index, box[1], box[2]]
            for body in bodies:
                section = _section(page == body, top, left)
                if section is not None:
                    self._bodies.setdefault(body, {})[index] = section

    def look_at_slice(self, index: int) -> None:
        """Find all ids of a slice anew, which a brush has painted on."""
        for body in [body for body, found in self._bodies.items() if index in found]:
            del self._bodies[body][index]
            if not self._bodies[body]:
                del self._bodies[body]
        self._add_slice(index)

    def _add_slice(self, index: int) -> None:
        from scipy import ndimage

        page, numbers = _numbered(self._labels[index])
        areas = np.bincount(page.ravel(), minlength=len(numbers))
        for place, box in enumerate(ndimage.find_objects(page), 1):
            if box is not None and numbers[place] > 0:
                rows, columns = box
                section = Section(
                    rows.start, columns.start, rows.stop, columns.stop, int(areas[place])
                )
                self._bodies.setdefault(int(numbers[place]), {})[index] = section


def _meet(former: Section, latter: Section | None) -> bool:
    """Whether the boxes of two sections have pixels in common."""
    if latter is None:
        return False
    is_along_y = former.top < latter.bottom and latter.top < former.bottom
    return is_along_y and former.left < latter.right and latter.left < former.right


def _numbered(page: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Number the ids of a slice (Y, X) from 0 to few: its numbers, and the id of each."""
    largest = int(page.max(initial=0))
    if page.min(initial=0) >= 0 and largest < DENSE_IDS:
        return page, np.arange(largest + 1)
    ids, numbers = np.unique(page, return_inverse=True)
    # Number 0 stands for nothing, whether or not there is any.
    return numbers.reshape(page.shape) + 1, np.concatenate([[0], ids])


def _section(mask: NDArray[np.bool_], top: int, left: int) -> Section | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    ends = (int(rows[-1]) + 1 + top, int(columns[-1]) + 1 + left)
    area = int(np.count_nonzero(mask))
    return Section(int(rows[0]) + top, int(columns[0]) + left, *ends, area)
