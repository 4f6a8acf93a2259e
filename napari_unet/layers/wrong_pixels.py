"""The pixels where a mask and the ground truth differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.stacks.label_meaning import MASK_READING, LabelReading
from training.stacks.sparse_labels import INSIDE, MEMBRANE

FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2  # pixels of :class:`WrongPixels`; 0 elsewhere


class WrongPixels:
    """Compares a mask with the truth where it is looked at.

    It is an array of uint8 in their shape, with ``FALSE_POSITIVE``, ``FALSE_NEGATIVE``, else 0.
    It follows edits of either mask, and costs no memory.

    Parameters
    ----------
    predicted, truth : arrays (Z, Y, X) or (Y, X), of one shape
        Pixels of ``predicted`` other than 0 are membrane.
    reading : LabelReading
        How the truth is read; its unknown pixels are never wrong.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        predicted: Any,
        truth: Any,
        reading: LabelReading = MASK_READING,
    ) -> None:
        self._predicted, self._truth, self._reading = predicted, truth, reading
        self.shape: tuple[int, ...] = predicted.shape
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        predicted = np.asarray(self._predicted[key]) != 0
        codes = self._reading.read(np.asarray(self._truth[key]))
        wrong = np.zeros(predicted.shape, self.dtype)
        wrong[predicted & (codes == INSIDE)] = FALSE_POSITIVE
        wrong[~predicted & (codes == MEMBRANE)] = FALSE_NEGATIVE
        return wrong

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype)
