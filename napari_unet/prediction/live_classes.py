"""Predicted classes that fill up slice by slice, and take other thresholds without predicting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from napari_unet.stacks.large_array import allocate
from training.label_classes import NO_THRESHOLDS, LabelClasses


class LiveClasses:
    """Holds the probabilities of a stack's classes, and the values that are decided of them.

    Any thread may fill and decide. Slices that a person changes since they were decided stay.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X), or (Y, X) of a single image. Axes of length 1 may lie before these.
    classes : LabelClasses
    thresholds : mapping of str to float
        Of some of the classes, see :meth:`LabelClasses.decide`.

    Attributes
    ----------
    values : array of uint8, in that shape
        Values of the classes; 0 where nothing is predicted yet. A person may paint on it.

    Raises
    ------
    UserError
        If there is no room for the probabilities, 4 bytes for each class of each pixel.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: LabelClasses,
        thresholds: Mapping[str, float] = NO_THRESHOLDS,
    ) -> None:
        self.classes, self._thresholds = classes, dict(thresholds)
        self.values: NDArray[np.uint8] = allocate(shape, np.uint8)
        self._pages = self.values.reshape((-1, *shape[-2:]))
        self._probabilities: NDArray[np.float32] = allocate(
            (len(self._pages), len(classes), *shape[-2:]), np.float32
        )
        self._decided: dict[int, int] = {}  # checksums of the slices that were decided
        self._edited: set[int] = set()
        self._one_at_a_time = Lock()

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def thresholds(self) -> dict[str, float]:
        """Those that decide, by the names of some of the classes."""
        return self._thresholds

    @thresholds.setter
    def thresholds(self, thresholds: Mapping[str, float]) -> None:
        self._thresholds = dict(thresholds)

    @property
    def edited_slices(self) -> list[int]:
        """Slices that a person changed, as far as they were decided again since."""
        return sorted(self._edited)

    @property
    def predicted_slices(self) -> list[int]:
        """Slices that were predicted so far."""
        return sorted(self._decided)

    def store(self, index: int, probabilities: NDArray[np.float32]) -> None:
        """Take the probabilities of a slice (C, Y, X), float32 from 0 to 1, and decide it."""
        self._probabilities[index] = probabilities
        self._decided[index] = crc32(np.zeros_like(self._pages[index]))
        self.decide_slice(index)

    def decide_slice(self, index: int) -> None:
        """Decide the values of a slice that was predicted, unless a person changed them."""
        with self._one_at_a_time:
            page = self._pages[index]
            if index not in self._decided:
                return
            decided = self.classes.decide(self._probabilities[index], self._thresholds)
            if crc32(page) != self._decided[index]:  # last, because a person may have painted
                self._edited.add(index)
                return
            self._edited.discard(index)  # it was undone
            page[:] = decided
            self._decided[index] = crc32(page)

    def decide(self, indices: Iterable[int]) -> bool:
        """Decide these slices; give up when thresholds are changed meanwhile.

        Returns
        -------
        bool
            Whether all were decided by the same thresholds.
        """
        thresholds = self._thresholds
        for index in indices:
            if self._thresholds is not thresholds:
                return False
            self.decide_slice(index)
        return True
