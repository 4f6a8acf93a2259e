"""What is held out for validation: a fifth of the slices, or of the strokes on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.config import FOLDS
from training.errors import UserError
from training.stacks.sparse_labels import INSIDE, MEMBRANE, UNKNOWN, labelled_slices

_Thing = TypeVar("_Thing")
_EIGHT_NEIGHBOURS = np.ones((3, 3))
MINIMUM_SLICES = FOLDS


@dataclass(frozen=True)
class Holdout:
    """How sparse labels are split.

    Parameters
    ----------
    train_slices, valid_slices : list of int
        Disjoint, unless strokes of the same slices are held out.
    held_out : array (Z, Y, X) of bool
        The labelled pixels that validate; the other labelled ones train.
    sentence : str
        What is held out, in words.
    """

    train_slices: list[int]
    valid_slices: list[int]
    held_out: NDArray[np.bool_]
    sentence: str


def hold_out(
    labels: NDArray[Any], fold: int, valid_slices: Sequence[int] = (), name: str = "labels"
) -> Holdout:
    """Hold out a fifth of the labelled slices, or of the strokes where slices can't be spared.

    Parameters
    ----------
    labels : array (Z, Y, X)
        0 is unknown, 1 membrane, 2 inside.
    fold : int
        The fifth to hold out, 0 to 4.
    valid_slices : sequence of int
        Slices to hold out instead of that fifth.
    name : str
        What messages call the labels.

    Raises
    ------
    UserError
        If there is too little to train and validate on.
    """
    labelled = labelled_slices(labels)
    for value, kind in ((MEMBRANE, "membrane"), (INSIDE, "inside")):
        if not any((labels[index] == value).any() for index in labelled):
            raise UserError(
                f"No pixel of {name} is labelled as {kind}.",
                "Paint strokes on membranes and strokes inside cells.",
            )
    chosen = [index for index in valid_slices if index in labelled]
    if not chosen:
        complete = [index for index in labelled if _is_complete(labels[[index]])]
        chosen = _pick(complete, fold) if len(labelled) > 1 and complete else []
    others = [index for index in labelled if index not in chosen]
    if chosen and _is_complete(labels[others]):
        held_out = np.zeros(labels.shape, bool)
        held_out[chosen] = labels[chosen] != UNKNOWN
        return Holdout(others, chosen, held_out, slices_sentence(chosen, len(labelled)))
    return _hold_out_strokes(labels, labelled, fold, name)


def slices_sentence(held_out: Sequence[int], count: int, kind: str = "labelled") -> str:
    """Say which of how many slices are held out."""
    listed = sorted(held_out)
    *most, last = map(str, listed)
    named = f"Slices {', '.join(most)} and {last}" if most else f"Slice {last}"
    verb = "are" if most else "is"
    return f"{named} of the {count} {kind} ones {verb} held out for validation."


def _hold_out_strokes(labels: NDArray[Any], labelled: list[int], fold: int, name: str) -> Holdout:
    from scipy import ndimage

    held_out = np.zeros(labels.shape, bool)
    strokes_in_all, strokes_held_out = 0, 0
    for value, kind in ((MEMBRANE, "membrane"), (INSIDE, "inside")):
        components = {z: ndimage.label(labels[z] == value, _EIGHT_NEIGHBOURS) for z in labelled}
        strokes = [(z, number) for z in labelled for number in range(1, components[z][1] + 1)]
        if len(strokes) < 2:
            raise UserError(
                f"{name} has only one stroke of {kind}, so none can be held out for validation.",
                f"Paint another stroke of {kind} apart from it, or on another slice.",
            )
        picked = _pick(strokes, fold)
        for z, number in picked:
            held_out[z] |= components[z][0] == number
        strokes_in_all += len(strokes)
        strokes_held_out += len(picked)
    valid = [z for z in labelled if held_out[z].any()]
    where = (
        f"Slice {labelled[0]} is the only labelled one"
        if len(labelled) == 1
        else "No slice alone has both strokes of membrane and of inside to spare"
    )
    verb = "is" if strokes_held_out == 1 else "are"
    sentence = f"{where}: {strokes_held_out} of {strokes_in_all} strokes {verb} held out"
    return Holdout(labelled, valid, held_out, f"{sentence} for validation.")


def _pick(things: Sequence[_Thing], fold: int) -> list[_Thing]:
    """Pick a fifth of some things, at least one, by a shuffle that is always the same."""
    order = np.random.RandomState(0).permutation(len(things))
    count = max(1, round(len(things) / FOLDS))
    picked = np.roll(order, fold * count)[-count:]
    return [things[index] for index in sorted(picked)]


def _is_complete(labels: NDArray[Any]) -> bool:
    """Return whether labels (Z, Y, X) have both membrane and inside."""
    return bool((labels == MEMBRANE).any() and (labels == INSIDE).any())


def split_fold(length: int, fold: int) -> tuple[list[int], list[int]]:
    """Split the slices of a stack for a fold, as ``_get_val_train_indices`` of the zoo does.

    The slices are shuffled with seed 0 and rotated by ``fold`` fifths; the last fifth
    validates. Fold 1 of 30 slices validates 6, 4, 18, 19, 9 and 7.

    Parameters
    ----------
    length : int
        Number of slices of the stack.
    fold : int
        0 to 4; the zoo's ``cross_valid_ind``.

    Returns
    -------
    train_slices, valid_slices : list of int

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
    # The random state of src/data_loader.py, without touching NumPy's global one.
    order = np.random.RandomState(0).permutation(length)
    rotated = deque(order.tolist())
    rotated.rotate(fold * round(length / FOLDS))
    indices = list(rotated)
    cut = round(length * (FOLDS - 1) / FOLDS)
    return indices[:cut], indices[cut:]
