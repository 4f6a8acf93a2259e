"""Weights of classes against imbalance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.label_classes import LabelClasses

# Rarer classes count more, or a network that leaves them out has hardly a higher loss. As the
# square root, because by the whole inverse a class is found where it is not.
USUAL_SHARE = 0.1


def weigh_classes(classes: LabelClasses, codes: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Weigh the loss of each class's pixels.

    A class with a share of the pixels of a tenth or more counts 1, one with a share s the square
    root of 0.1 / s.

    Parameters
    ----------
    classes : LabelClasses
    codes : sequence of arrays (N,) of uint8
        The pixels that are trained on: the places of their classes, from 1.

    Returns
    -------
    array (C,) of float32

    Raises
    ------
    UserError
        If a class has no pixel.
    """
    counts = np.zeros(len(classes), np.int64)
    for page in codes:
        counts += np.bincount(page, minlength=len(classes) + 1)[1 : len(classes) + 1]
    for member, count in zip(classes.members, counts, strict=True):
        if not count:
            raise UserError(
                f"No pixel that is trained on is labelled as {member.name} ({member.value}).",
                "Label some on several slices, or leave the class out.",
            )
    shares = counts / counts.sum()
    return np.asarray(np.sqrt(np.maximum(1.0, USUAL_SHARE / shares)), np.float32)
