"""Neurons of a volume of labels, and what each operation changes in them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.cutting import cut_section
from napari_unet.proofreading.edits import Box, Edit, OnPart, Order, Volume, change_slices
from napari_unet.proofreading.giving import Giving
from napari_unet.proofreading.operations import Operation, Point
from napari_unet.proofreading.splitting import split_body
from training.errors import UserError
from training.formats.chunked_stack import check_memory

LEVEL = 0.5  # probability from which a pixel is membrane
_SPLIT_BYTES = 16  # for each pixel of the box of a neuron that is split
_SMALLER = "Split it in neurons of a part, found with 'napari-unet segment --region'"


class Neurons:
    """Labels that can be changed, with the index of their neurons.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
        0 is no neuron; changed in place. May be mapped from a file.
    index : BodyIndex
        Of these labels.
    membrane : array (Z, Y, X), optional
        Probability of membrane; may be lazy, and is read in the boxes of neurons alone.
    """

    def __init__(self, labels: Volume, index: BodyIndex, membrane: Any = None) -> None:
        self.labels, self.index, self.membrane = labels, index, membrane

    def at(self, point: Point) -> int:
        """The id at a place; 0 where there is none, and outside of the volume."""
        is_inside = all(0 <= i < n for i, n in zip(point, self.labels.shape, strict=True))
        return int(self.labels[point]) if is_inside else 0

    def under(self, points: Iterable[Point]) -> list[int]:
        """The ids under some points, in their order, each once."""
        return [body for body in dict.fromkeys(map(self.at, points)) if body]

    def point_in(self, body: int) -> Point | None:
        """A pixel of a neuron, where it is largest; None if there is none of this id."""
        sections = self.index.sections(body)
        if not sections:
            return None
        index = max(sections, key=lambda item: sections[item].area)
        section = sections[index]
        pixels = self.labels[index][section.box] == body
        counts = np.cumsum(np.count_nonzero(pixels, axis=1))
        if not counts[-1]:  # it was painted over just now
            return None
        y = int(np.searchsorted(counts, counts[-1] // 2, side="right"))
        row = np.flatnonzero(pixels[y])
        return index, section.top + y, section.left + int(row[len(row) // 2])

    def plan(self, operation: Operation, on_part: OnPart = lambda *_: None) -> Edit | Giving | None:
        """Find what an operation changes; None for one that changes no pixels.

        Parameters
        ----------
        operation : Operation
        on_part : callable
            Called with the number of parts of the work done, and of all, where it may take long;
            what it raises ends it.

        Raises
        ------
        UserError
            If it can't be done on these labels.
        """
        if operation.kind == "merge":
            return self._merge(operation)
        if operation.kind == "split":
            return self._split(operation, on_part)
        if operation.kind == "cut":
            return self._cut(operation, on_part)
        if operation.kind == "new":
            return self._new(operation)
        body = self._only_one(operation)
        return None if operation.kind == "done" else self._give((body,), 0)

    def change(self, edit: Edit | Giving, order: Order = iter, *, is_undo: bool = False) -> Edit:
        """Change the labels slice by slice, or back, and follow it in the index.

        Parameters
        ----------
        edit : Edit or Giving
        order : callable
            Gives the indices of the slices in the order in which they are changed.
        is_undo : bool

        Returns
        -------
        Edit
            What was changed.

        Raises
        ------
        UserError
            If other hands have changed these pixels since; nothing is changed then.
        """
        follow = self.index.follow
        parts = change_slices(self.labels, edit, order, is_undo=is_undo, follow=follow)
        if parts is not None:
            return edit if isinstance(edit, Edit) else Edit.joined(parts, edit.after)
        what, remedy = "undone" if is_undo else "done", "mend the neuron by another operation"
        if isinstance(edit, Giving):
            self._look_again(edit)
            remedy = "do it again"
        raise UserError(
            f"The operation can't be {what}, because its pixels were painted since.",
            f"Undo the strokes first, or {remedy}.",
        )

    def _look_again(self, giving: Giving) -> None:
        """Look at the slices where neurons are not as the index has them."""
        for index in giving.slices(self.labels.shape):
            if giving.in_slice(index, self.labels.shape) is None:
                self.index.look_at_slice(index)

    def _only_one(self, operation: Operation) -> int:
        body = next(iter(self.under(operation.points[:1])), 0)
        if not body:
            raise UserError("There is no neuron at this place.", "Click on a neuron.")
        return body

    def _merge(self, operation: Operation) -> Giving:
        bodies = self.under(operation.points)
        if len(bodies) < 2:
            raise UserError(
                "Only one neuron is chosen, and a merge takes two or more.",
                "Click the others with Shift, or draw a stroke across all of them.",
            )
        return self._give(bodies[1:], bodies[0])

    def _give(self, bodies: Iterable[int], after: int) -> Giving:
        """Give whole neurons another id."""
        sections = {body: self.index.sections(body) for body in bodies}
        if not any(sections.values()):
            raise _outdated()
        return Giving(self.labels, sections, after)

    def _split(self, operation: Operation, on_part: OnPart) -> Edit:
        if len(operation.strokes) != 2:
            raise UserError("A split takes two strokes.", "Draw one on each part of the neuron.")
        shared = set(self.under(operation.strokes[0])) & set(self.under(operation.strokes[1]))
        if len(shared) != 1:
            raise UserError(
                "The two strokes don't lie on one neuron.",
                "Draw both within the neuron that is to be split.",
            )
        body = shared.pop()
        first, second = (
            [point for point in stroke if self.at(point) == body] for stroke in operation.strokes
        )
        if {*first} & {*second}:
            raise UserError("The two strokes cross.", "Draw each on its own part of the neuron.")
        box = self._box(body)
        corner = [axis.start for axis in box]
        strokes = [np.array(points) - corner for points in (first, second)]
        part = split_body(self.labels[box] == body, self._membrane_in(box), strokes, on_part)
        return Edit.of(self.labels, box, part, self._free_id())

    def _cut(self, operation: Operation, on_part: OnPart) -> Edit:
        """Split the neuron that most of a line is on: along it in its slice, and on from there."""
        (line,) = operation.strokes[:1]
        counts = Counter(filter(None, map(self.at, line)))
        if not counts:
            raise UserError("There is no neuron under the line.", "Draw it across one.")
        body = max(counts, key=lambda each: counts[each])
        index = next(point[0] for point in line if self.at(point) == body)
        box = self._box(body)
        top, left = box[1].start, box[2].start
        places = np.array([(y - top, x - left) for z, y, x in line if z == index])
        mask, z = self.labels[box] == body, index - box[0].start
        cut = cut_section(mask[z], places)
        mask[z] &= (cut.seeds > 0) | (cut.sides == 0)
        seeds = [np.argwhere(cut.seeds == side) for side in (1, 2)]
        strokes = [np.insert(points, 0, z, axis=1) for points in seeds]
        part = split_body(mask, self._membrane_in(box), strokes, on_part)
        part[z] = np.where(cut.sides > 0, cut.sides == 2, part[z])
        return Edit.of(self.labels, box, part, self._free_id())

    def _box(self, body: int) -> Box:
        box = self.index.box([body])
        if box is None:
            raise _outdated()
        size = _SPLIT_BYTES * math.prod(axis.stop - axis.start for axis in box)
        check_memory(f"The split of neuron {body}", size, _SMALLER)
        return box

    def _membrane_in(self, box: Box) -> NDArray[Any] | None:
        return None if self.membrane is None else np.asarray(self.membrane[box])

    def _new(self, operation: Operation) -> Edit:
        """Label what is free and inside around each point of a stroke, in its slice."""
        from scipy import ndimage

        shape = self.labels.shape
        points = [
            p for p in operation.points if all(0 <= i < n for i, n in zip(p, shape, strict=True))
        ]
        after = self._free_id()
        found: list[Edit] = []
        for index in sorted({point[0] for point in points}):
            free = self.labels[index] == 0
            if self.membrane is not None:
                free &= np.asarray(self.membrane[index]) < LEVEL
            regions, _ = ndimage.label(free)
            boxes = ndimage.find_objects(regions)
            for region in {int(regions[y, x]) for z, y, x in points if z == index} - {0}:
                box = boxes[region - 1]
                mask = (regions[box] == region)[None]
                found.append(Edit.of(self.labels, (slice(index, index + 1), *box), mask, after))
        if not found:
            raise UserError(
                "Nothing is free under the stroke: it lies on neurons or on membrane.",
                "Draw it where no neuron is, or delete the one that is there.",
            )
        return Edit.joined(found, after)

    def _free_id(self) -> int:
        body, largest = self.index.free_id, np.iinfo(self.labels.dtype).max
        if body > largest:
            raise UserError(
                f"The labels are of {self.labels.dtype}, and have no id free over {largest}.",
                "Convert them to 32-bit integers.",
            )
        return body


def _outdated() -> UserError:
    return UserError("The neuron was painted just now.", "Try again in a moment.")
