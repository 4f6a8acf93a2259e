"""The pixels where a mask and the ground truth differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
