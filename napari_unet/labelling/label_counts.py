"""How much of a stack is labelled, and whether that is enough to train on. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.console import list_names
from training.stacks.sparse_labels import INSIDE, MEMBRANE
from training.stacks.stack_axes import as_stack

KINDS: Mapping[int, str] = MappingProxyType({MEMBRANE: "membrane", INSIDE: "inside"})
FEW_PIXELS = 400  # of a class: a handful of strokes


class LabelCounts:
    """Counts the labelled pixels of every slice and class.

    Parameters
    ----------
    labels : array (Z, Y, X) or (Y, X) of int
        Sparse labels. They are read again whenever a slice is counted, see :meth:`update`.
    kinds : mapping of int to str
        What is painted, by its value.

    Attributes
    ----------
    pixels : array (K, Z) of int
        Labelled pixels of each kind and slice.
    """

    def __init__(self, labels: Any, kinds: Mapping[int, str] = KINDS) -> None:
        self._labels, self._kinds = labels, kinds
        self._slices = as_stack(labels)
        self.pixels: NDArray[np.int64] = np.zeros((len(kinds), len(self._slices)), np.int64)

    def is_of(self, labels: Any) -> bool:
        """Return whether it counts this array."""
        return self._labels is labels

    def update(self, slices: Iterable[int] | None = None) -> None:
        """Count some slices, or all; half a millisecond for each of 1024 x 1024 pixels."""
        for index in range(len(self._slices)) if slices is None else slices:
            page = np.asarray(self._slices[index])
            self.pixels[:, index] = [np.count_nonzero(page == value) for value in self._kinds]

    @property
    def labelled_slices(self) -> list[int]:
        """Slices that have a label."""
        return [int(index) for index in np.flatnonzero(self.pixels.sum(axis=0))]

    def summary(self) -> str:
        """Say in a line how much is labelled."""
        slices = len(self.labelled_slices)
        if not slices:
            return "Nothing is labelled yet."
        (first, most), *others = self._totals.items()
        where = "1 slice" if slices == 1 else f"{slices} slices"
        told = [f"{most:,} pixels of {first}", *(f"{count:,} of {name}" for name, count in others)]
        return f"{list_names(told)}, on {where}."

    @property
    def _totals(self) -> dict[str, int]:
        totals = self.pixels.sum(axis=1).tolist()
        return dict(zip(self._kinds.values(), totals, strict=True))

    def advice(self) -> str:
        """Say what to paint next; empty where there is enough."""
        totals, are_usual = self._totals, self._kinds is KINDS
        missing = [name for name, pixels in totals.items() if not pixels]
        if len(missing) == len(totals):
            what = "membranes and insides" if are_usual else f"pixels as {list_names(missing)}"
            return f"Paint some {what} on a slice: a few strokes of each are enough."
        if missing:
            kinds = "both kinds" if are_usual else "all classes"
            return f"Paint some {missing[0]} as well: a model must see {kinds}."
        few = [name for name, pixels in totals.items() if pixels < FEW_PIXELS]
        if few:
            return f"Little {' and '.join(few)} yet: paint a few more strokes."
        if len(self.labelled_slices) == 1 and len(self._slices) > 1:
            return (
                "Only one slice is labelled. Strokes on a second one, far from it, make the model "
                "steadier and its validation honest."
            )
        return ""
