"""How a slice of a mask is compared with the ground truth: by its membrane, or by all classes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet.layers.wrong_pixels import find_wrong, find_wrong_classes
from training.errors import UserError
from training.label_classes import DICE_OF, NO_CHANNEL, LabelClasses
from training.label_convention import LabelConvention
from training.metrics.class_metrics import class_overlap
from training.metrics.pixel_metrics import overlap_figures
from training.stacks.label_reading import LabelReading
from training.stacks.sparse_labels import INSIDE, MEMBRANE, channels_of, is_known

PIXEL_FIGURES = ("dice", "iou", "precision", "recall")
Figures = dict[str, float]


class Judge(Protocol):
    """Compares slices (Y, X)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The figures of pixels."""

    def read_mask(self, page: NDArray[Any]) -> NDArray[Any]:
        """Read a slice of the mask (Y, X) of int: what is predicted, of bool or uint8."""

    def read_truth(self, page: NDArray[Any]) -> NDArray[np.uint8]:
        """Read a slice of the truth (Y, X) of int: uint8, 0 = unknown, and what is told apart."""

    def compare(self, predicted: NDArray[Any], codes: NDArray[np.uint8]) -> Figures:
        """Compute the figures of what was read of both, (Y, X) of bool or uint8.

        There are none where nothing is labelled.
        """

    def find_wrong(self, predicted: NDArray[Any], codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Find the wrong pixels of what was read of both, (Y, X) of bool or uint8.

        See :mod:`wrong_pixels`.
        """


class MembraneJudge:
    """Compares membrane and inside: what is predicted is bool, true where it is membrane.

    Parameters
    ----------
    reading : LabelReading
        Of the truth.
    found : LabelClasses
        Those of the mask; empty: values other than 0 are membrane.

    Raises
    ------
    UserError
        If either has classes, none of which is membrane.
    """

    names = PIXEL_FIGURES

    def __init__(self, reading: LabelReading, found: LabelClasses) -> None:
        self._reading = reading
        self._mask = LabelReading(LabelConvention.CLASSES, classes=found) if found else None
        for one in filter(None, (reading, self._mask)):
            one.read(np.zeros((1, 1), np.uint8))

    def read_mask(self, page: NDArray[Any]) -> NDArray[np.bool_]:
        """Find where a slice (Y, X) of int of the mask is membrane: bool."""
        is_membrane = page != 0 if self._mask is None else self._mask.read(page) == MEMBRANE
        return np.asarray(is_membrane)

    def read_truth(self, page: NDArray[Any]) -> NDArray[np.uint8]:
        """Read a slice (Y, X) of int of the truth as :meth:`LabelReading.read`: uint8."""
        return self._reading.read(page)

    def compare(self, predicted: NDArray[np.bool_], codes: NDArray[np.uint8]) -> Figures:
        """Compute the figures of membrane, (Y, X) of bool, against codes of uint8."""
        membrane, known = codes == MEMBRANE, is_known(codes)
        has_both = membrane.any() and (codes == INSIDE).any()
        if not (has_both if self._reading.is_finished else known.any()):
            return {}
        return overlap_figures(predicted[known], membrane[known])

    def find_wrong(
        self, predicted: NDArray[np.bool_], codes: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Find the wrong pixels (Y, X), of uint8."""
        return find_wrong(predicted, codes)


class ClassJudge:
    """Compares classes: what is predicted is the channel of each pixel's class in the truth.

    Parameters
    ----------
    reading : LabelReading
        Of the truth.
    found : LabelClasses
        Those of the mask, which are known by their names.
    predicted_name, truth_name : str
        For messages.

    Raises
    ------
    UserError
        If the classes are not the same.
    """

    def __init__(
        self, reading: LabelReading, found: LabelClasses, predicted_name: str, truth_name: str
    ) -> None:
        self._reading, self._found, self._classes = reading, found, reading.classes
        if {*found.names} != {*self._classes.names}:
            raise UserError(
                f"'{predicted_name}' has the classes {', '.join(found.names)}, but "
                f"'{truth_name}' has {', '.join(self._classes.names)}.",
                "Choose two layers of the same classes.",
            )
        self._channels = np.full(NO_CHANNEL + 1, NO_CHANNEL, np.uint8)
        for channel, name in enumerate(found.names):
            self._channels[channel] = self._classes.names.index(name)

    @property
    def names(self) -> tuple[str, ...]:
        things = (self._classes.names[channel] for channel in self._classes.things)
        return (*PIXEL_FIGURES, *(DICE_OF + name for name in things))

    def read_mask(self, page: NDArray[Any]) -> NDArray[np.uint8]:
        """Give the channels, of the truth, of a slice (Y, X) of int of the mask: uint8."""
        return np.asarray(self._channels[self._found.channels(page)])

    def read_truth(self, page: NDArray[Any]) -> NDArray[np.uint8]:
        """Read a slice (Y, X) of int of the truth: uint8, the places of classes from 1."""
        return self._reading.read_classes(page)

    def compare(self, predicted: NDArray[np.uint8], codes: NDArray[np.uint8]) -> Figures:
        """Compute the figures of channels (Y, X) against codes, both of uint8."""
        known = codes[is_known(codes)]
        fewest = 2 if self._reading.is_finished else 1
        if len(known) == 0 or (fewest == 2 and (known == known[0]).all()):
            return {}
        return class_overlap(predicted[is_known(codes)], channels_of(known), self._classes)

    def find_wrong(
        self, predicted: NDArray[np.uint8], codes: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Find the wrong pixels (Y, X), of uint8."""
        return find_wrong_classes(predicted, channels_of(codes), self._classes)


def find_judge(
    reading: LabelReading, found: LabelClasses, predicted_name: str, truth_name: str
) -> Judge:
    """Compare classes where the truth and the mask have some, else membranes.

    Raises
    ------
    UserError
        As :class:`ClassJudge` and :class:`MembraneJudge`.
    """
    if reading.classes and found:
        return ClassJudge(reading, found, predicted_name, truth_name)
    return MembraneJudge(reading, found)
