"""The pixels where a mask and the ground truth differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.label_convention import LabelConvention
from training.stacks.sparse_labels import UNKNOWN
from training.stacks.training_pair import to_membrane

FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2  # pixels of :class:`WrongPixels`; 0 elsewhere


class WrongPixels:
    """Compares a mask with the truth where it is looked at.

    It is an array of uint8 in their shape, with ``FALSE_POSITIVE``, ``FALSE_NEGATIVE``, else 0.
    It follows edits of either mask, and costs no memory.

    Parameters
    ----------
    predicted, truth : arrays (Z, Y, X) or (Y, X), of one shape
        Pixels of ``predicted`` other than 0 are membrane.
    convention : LabelConvention
        Of the truth; unknown pixels of sparse labels are never wrong.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        predicted: Any,
        truth: Any,
        convention: LabelConvention = LabelConvention.MEMBRANE,
    ) -> None:
        self._predicted, self._truth, self._convention = predicted, truth, convention
        self.shape: tuple[int, ...] = predicted.shape
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        predicted = np.asarray(self._predicted[key]) != 0
        truth = np.asarray(self._truth[key])
        membrane = to_membrane(truth, self._convention)
        wrong = np.zeros(predicted.shape, self.dtype)
        wrong[predicted & ~membrane] = FALSE_POSITIVE
        wrong[membrane & ~predicted] = FALSE_NEGATIVE
        if self._convention == LabelConvention.SPARSE:
            wrong[truth == UNKNOWN] = 0
        return wrong

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype)
