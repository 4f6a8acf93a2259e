"""The model zoo's cross-validation: which slices train, which validate."""

from __future__ import annotations

from collections import deque

import numpy as np

from training.config import FOLDS
from training.errors import UserError

MINIMUM_SLICES = FOLDS


def split_fold(length: int, fold: int) -> tuple[list[int], list[int]]:
    """Indices of the training and of the validation slices of a fold, as the zoo makes them.

    The slices are shuffled with seed 0 and rotated by ``fold`` fifths; the last fifth
    validates. Fold 1 of 30 slices validates 6, 4, 18, 19, 9 and 7.

    Parameters
    ----------
    length : int
        Number of slices of the stack.
    fold : int
        0 to 4; the zoo's ``cross_valid_ind``.

    Raises
    ------
    UserError
        If there is no such fold, or there are too few slices to split.
    """
    if not 0 <= fold < FOLDS:
        raise UserError(f"There is no fold {fold}.", f"Choose one from 0 to {FOLDS - 1}.")
    if length < MINIMUM_SLICES:
        raise UserError(
            f"The stack has {length} slices, but {MINIMUM_SLICES} are needed to hold some out.",
            "Give a stack with more slices.",
        )
    # The zoo's random state, without touching NumPy's global one.
    order = np.random.RandomState(0).permutation(length)
    rotated = deque(order.tolist())
    rotated.rotate(fold * round(length / FOLDS))
    indices = list(rotated)
    cut = round(length * (FOLDS - 1) / FOLDS)
    return indices[:cut], indices[cut:]
