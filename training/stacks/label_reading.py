"""Reads labels whose meaning is known: as membrane and inside, as classes, or as neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.label_classes import NO_CHANNEL, NO_CLASSES, LabelClasses
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.metrics.neuron_metrics import label_neurons
from training.stacks.instances import borders_between, number_instances
from training.stacks.sparse_labels import INSIDE, MEMBRANE, PADDING, UNKNOWN


@dataclass(frozen=True)
class LabelReading:
    """How values of labels are read.

    Parameters
    ----------
    convention : LabelConvention
    cut : float
        Values above it are one kind, the others the other; of ``isbi`` and ``membrane``.
    has_ignored : bool
        Whether negative values are unknown pixels.
    ids : IdBorders
        Which pixels are membrane; of ``instances``.
    classes : LabelClasses
        Of ``classes``.
    """

    convention: LabelConvention
    cut: float = 0.0
    has_ignored: bool = False
    ids: IdBorders = USUAL_BORDERS
    classes: LabelClasses = NO_CLASSES

    @property
    def is_finished(self) -> bool:
        """Whether every pixel of the labelled slices is membrane or inside, or of a class."""
        if self.classes:
            return self.classes.unknown is None and not self.has_ignored
        is_strokes = self.convention == LabelConvention.SPARSE
        return not (is_strokes or self.has_ignored or self.ids.is_zero_unknown)

    @property
    def has_neurons(self) -> bool:
        """Whether the labels tell neurons apart: by ids, or by membranes labelled throughout."""
        if self.classes:
            return False
        return self.is_finished or self.convention == LabelConvention.INSTANCES

    def read(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        """Read labels.

        Parameters
        ----------
        labels : array (Y, X) or (Z, Y, X)
            Any real dtype.

        Returns
        -------
        array of uint8
            In the labels' shape: 0 = unknown, 1 = membrane, 2 = inside, which is every other class
            than membrane.

        Raises
        ------
        UserError
            If the labels are of classes, and none of these is membrane.
        """
        if self.classes:
            return self._membrane_class(labels)
        if self.convention == LabelConvention.SPARSE:
            is_known = (labels == MEMBRANE) | (labels == INSIDE)
            return np.where(is_known, labels, UNKNOWN).astype(np.uint8)
        membrane = self._membrane(labels)
        known: NDArray[np.uint8] = np.where(membrane, MEMBRANE, INSIDE).astype(np.uint8)
        if self.has_ignored:
            known[labels < 0] = UNKNOWN
        if self.ids.is_zero_unknown:
            known[labels == 0] = UNKNOWN
        return known

    def read_classes(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        """Read labels (Y, X) or (Z, Y, X) of classes: uint8, the place of each class from 1.

        0 is unknown.
        """
        return self.classes.channels(labels) + np.uint8(1)  # what is unknown becomes 0

    def _membrane_class(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        found, membrane = self.classes.channels(labels), self.classes.membrane
        if membrane is None:
            raise UserError(
                f"The labels tell {', '.join(self.classes.names)} apart, and none of these is "
                "membrane.",
                "Give labels of membrane, or name its class membrane.",
            )
        codes = np.where(found == membrane, MEMBRANE, INSIDE).astype(np.uint8)
        codes[found == NO_CHANNEL] = UNKNOWN
        return codes

    def neurons(self, labels: NDArray[Any], codes: NDArray[np.uint8]) -> NDArray[Any]:
        """Number the neurons of a slice, where :attr:`has_neurons`.

        Parameters
        ----------
        labels : array (Y, X)
            Any real dtype.
        codes : array (Y, X) of uint8
            As :meth:`read` gives them, or with padding marked as 3.

        Returns
        -------
        array (Y, X) of int
            From 1 on: the ids, or else the pieces of what is inside. 0: no neuron.
        """
        if self.convention != LabelConvention.INSTANCES:
            return label_neurons(codes == INSIDE)
        return np.where(codes == PADDING, 0, self._numbers(labels))

    def _membrane(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        if self.convention == LabelConvention.INSTANCES:
            if labels.ndim > 2:
                return np.stack([self._membrane(page) for page in labels])
            near = borders_between(self._numbers(labels), self.ids.width)
            return np.asarray((labels == 0) | near)
        is_high = labels > self.cut
        return is_high if self.convention == LabelConvention.MEMBRANE else ~is_high

    def _numbers(self, ids: NDArray[Any]) -> NDArray[Any]:
        return number_instances(ids, has_ignored=self.has_ignored)


MASK_READING = LabelReading(LabelConvention.MEMBRANE)
"""Of a mask in a viewer: whatever is not 0 is membrane."""
