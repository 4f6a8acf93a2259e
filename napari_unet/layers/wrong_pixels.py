"""The pixels where a mask and the ground truth differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.label_classes import NO_CHANNEL, LabelClasses
from training.stacks.sparse_labels import INSIDE, MEMBRANE

FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2  # 0 elsewhere


def find_wrong(predicted: NDArray[Any], codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Find the wrong pixels of a slice.

    Parameters
    ----------
    predicted : array (Y, X) of bool
        Where membrane is predicted.
    codes : array (Y, X) of uint8
        The truth, as :meth:`LabelReading.read` gives it; its unknown pixels are never wrong.

    Returns
    -------
    array (Y, X) of uint8
        ``FALSE_POSITIVE``, ``FALSE_NEGATIVE``, else 0.
    """
    wrong = np.zeros(predicted.shape, np.uint8)
    wrong[predicted & (codes == INSIDE)] = FALSE_POSITIVE
    wrong[~predicted & (codes == MEMBRANE)] = FALSE_NEGATIVE
    return wrong


def find_wrong_classes(
    predicted: NDArray[np.uint8], wanted: NDArray[np.uint8], classes: LabelClasses
) -> NDArray[np.uint8]:
    """Find the wrong pixels of a slice of classes.

    Parameters
    ----------
    predicted, wanted : arrays (Y, X) of uint8
        Channels of the pixels' classes; 255: unknown.
    classes : LabelClasses

    Returns
    -------
    array (Y, X) of uint8
        ``FALSE_POSITIVE`` where a class is predicted that is not there, ``FALSE_NEGATIVE`` where
        that of the value 0, or none, takes a class's place, else 0.
    """
    is_wrong = (predicted != wanted) & (wanted != NO_CHANNEL)
    kinds = np.where(np.isin(predicted, classes.things), FALSE_POSITIVE, FALSE_NEGATIVE)
    return np.where(is_wrong, kinds, 0).astype(np.uint8)
