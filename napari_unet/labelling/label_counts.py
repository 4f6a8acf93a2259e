"""How much of a stack is labelled, and whether that is enough to train on. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.stacks.sparse_labels import INSIDE, MEMBRANE
from training.stacks.stack_axes import as_stack

CLASSES = {MEMBRANE: "membrane", INSIDE: "inside"}
FEW_PIXELS = 400  # of a class: a handful of strokes


class LabelCounts:
    """Counts the labelled pixels of every slice and class.

    Parameters
    ----------
    labels : array (Z, Y, X) or (Y, X) of int
        Sparse labels. They are read again whenever a slice is counted, see :meth:`update`.

    Attributes
    ----------
    membrane, inside : arrays (Z,) of int
        Labelled pixels of each slice.
    """

    def __init__(self, labels: Any) -> None:
        self._labels = labels
        self._slices = as_stack(labels)
        length = len(self._slices)
        self.membrane: NDArray[np.int64] = np.zeros(length, np.int64)
        self.inside: NDArray[np.int64] = np.zeros(length, np.int64)

    def is_of(self, labels: Any) -> bool:
        """Return whether it counts this array."""
        return self._labels is labels

    def update(self, slices: Iterable[int] | None = None) -> None:
        """Count some slices, or all; half a millisecond for each of 1024 x 1024 pixels."""
        for index in range(len(self.membrane)) if slices is None else slices:
            page = np.asarray(self._slices[index])
            self.membrane[index] = np.count_nonzero(page == MEMBRANE)
            self.inside[index] = np.count_nonzero(page == INSIDE)

    @property
    def labelled_slices(self) -> list[int]:
        """Slices that have a label."""
        return [int(index) for index in np.flatnonzero(self.membrane + self.inside)]

    def summary(self) -> str:
        """Say in a line how much is labelled."""
        slices = len(self.labelled_slices)
        if not slices:
            return "Nothing is labelled yet."
        pixels = int(self.membrane.sum()), int(self.inside.sum())
        where = "1 slice" if slices == 1 else f"{slices} slices"
        return f"{pixels[0]:,} pixels of membrane and {pixels[1]:,} of inside, on {where}."

    def advice(self) -> str:
        """Say what to paint next; empty where there is enough."""
        totals = {"membrane": int(self.membrane.sum()), "inside": int(self.inside.sum())}
        missing = [name for name, pixels in totals.items() if not pixels]
        if len(missing) == len(totals):
            return "Paint some membranes and insides on a slice: a few strokes of each are enough."
        if missing:
            return f"Paint some {missing[0]} as well: a model must see both kinds."
        few = [name for name, pixels in totals.items() if pixels < FEW_PIXELS]
        if few:
            return f"Little {' and '.join(few)} yet: paint a few more strokes."
        if len(self.labelled_slices) == 1 and len(self.membrane) > 1:
            return (
                "Only one slice is labelled. Strokes on a second one, far from it, make the model "
                "steadier and its validation honest."
            )
        return ""
