"""What is held out for validation: a fifth of the slices, of the strokes, or of a slice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.config import FOLDS
from training.console import begin_with_slices
from training.errors import UserError
from training.label_classes import LabelClasses
from training.stacks.sparse_labels import INSIDE, MEMBRANE, UNKNOWN, is_known

_Thing = TypeVar("_Thing")
Kinds = Mapping[int, str]
"""What labels must have to be trained on: names by their codes."""
MEMBRANE_KINDS: Kinds = MappingProxyType({MEMBRANE: "membrane", INSIDE: "inside"})
_EIGHT_NEIGHBOURS = np.ones((3, 3))
MINIMUM_SLICES = FOLDS


@dataclass(frozen=True)
class Holdout:
    """How labels are split.

    Parameters
    ----------
    train_slices, valid_slices : list of int
        Disjoint, unless parts of the same slices are held out.
    held_out : mapping of int to array (Y, X) of bool
        The pixels that validate, of every validation slice; the other labelled ones train.
    sentence : str
        What is held out, in words.
    """

    train_slices: list[int]
    valid_slices: list[int]
    held_out: dict[int, NDArray[np.bool_]]
    sentence: str


def hold_out(
    labels: Mapping[int, NDArray[Any]],
    fold: int,
    valid_slices: Sequence[int] = (),
    name: str = "labels",
    kinds: Kinds = MEMBRANE_KINDS,
) -> Holdout:
    """Hold out a fifth of the labelled slices, or of the labels where slices can't be spared.

    Of strokes whole strokes are held out then, and of a slice that is labelled throughout a
    strip.

    Parameters
    ----------
    labels : mapping of int to array (Y, X) of uint8
        The labelled slices by index: 0 is unknown, 1 membrane, 2 inside, 255 padding.
    fold : int
        The fifth to hold out, 0 to 4.
    valid_slices : sequence of int
        Slices to hold out instead of that fifth.
    name : str
        What messages call the labels.
    kinds : mapping of int to str
        What is trained on, by its code: membrane and inside, or classes.

    Raises
    ------
    UserError
        If there is too little to train and validate on.
    """
    labelled = sorted(labels)
    _check_kinds(labels, name, kinds)
    chosen = [index for index in valid_slices if index in labelled]
    if not chosen and len(labelled) >= MINIMUM_SLICES and is_finished(labels.values()):
        train, valid = (
            [labelled[place] for place in places] for places in split_fold(len(labelled), fold)
        )
        held_out = {index: is_known(labels[index]) for index in valid}
        return Holdout(train, valid, held_out, _slices_sentence(valid, len(labelled)))
    if not chosen:
        complete = [index for index in labelled if _has_all([labels[index]], kinds)]
        chosen = _pick(complete, fold) if len(labelled) > 1 and complete else []
    others = [index for index in labelled if index not in chosen]
    if chosen and _has_all([labels[index] for index in others], kinds):
        held_out = {index: is_known(labels[index]) for index in chosen}
        return Holdout(others, chosen, held_out, _slices_sentence(chosen, len(labelled)))
    if len(labelled) == 1 and is_finished(labels.values()):
        return _hold_out_strip(labels[labelled[0]], labelled[0], fold, name, kinds)
    return _hold_out_strokes(labels, labelled, fold, name, kinds)


def kinds_of(classes: LabelClasses, codes: Mapping[int, NDArray[Any]]) -> Kinds:
    """Say which codes, of arrays (Y, X) of uint8, labels must have: of classes those they have."""
    if not classes:
        return MEMBRANE_KINDS
    found = {int(code) for page in codes.values() for code in np.unique(page)}
    names = {code: member.name for code, member in enumerate(classes.members, 1)}
    return {code: name for code, name in names.items() if code in found}


def hold_out_all(
    labels: Mapping[int, NDArray[Any]], name: str = "labels", kinds: Kinds = MEMBRANE_KINDS
) -> Holdout:
    """Hold out every labelled slice of a volume.

    Parameters
    ----------
    labels : mapping of int to array (Y, X)
        As of :func:`hold_out`.
    name : str
        What messages call the labels.
    kinds : mapping of int to str
        As of :func:`hold_out`.

    Raises
    ------
    UserError
        If there is no membrane, or no inside, to compare.
    """
    _check_kinds(labels, name, kinds)
    held_out = {index: is_known(page) for index, page in labels.items()}
    return Holdout([], sorted(labels), held_out, "All of it is held out for validation.")


def hold_out_none(labels: Mapping[int, NDArray[Any]]) -> Holdout:
    """Train on all labels of a volume, arrays (Y, X) of uint8, where other volumes are held out."""
    return Holdout(sorted(labels), [], {}, "All of it is trained on.")


def _check_kinds(labels: Mapping[int, NDArray[Any]], name: str, kinds: Kinds) -> None:
    for value, kind in kinds.items():
        if not any((page == value).any() for page in labels.values()):
            raise UserError(
                f"No pixel of {name} is labelled as {kind}.",
                "Paint strokes on membranes and strokes inside cells."
                if kinds is MEMBRANE_KINDS
                else "Paint some, or leave the class out.",
            )


def is_finished(labels: Iterable[NDArray[Any]]) -> bool:
    """Return whether codes (Y, X) of uint8 know every pixel of their slices."""
    return all((page != UNKNOWN).all() for page in labels)


def _slices_sentence(held_out: Sequence[int], count: int) -> str:
    """Say which of how many slices are held out."""
    subject = begin_with_slices(sorted(held_out), f"of the {count} labelled ones", "is", "are")
    return f"{subject} held out for validation."


def _hold_out_strip(page: NDArray[Any], index: int, fold: int, name: str, kinds: Kinds) -> Holdout:
    """Hold out a fifth of the rows of the only labelled slice (Y, X)."""
    strips = np.array_split(np.arange(len(page)), FOLDS)
    for rows in strips[fold:] + strips[:fold]:
        held_out = np.zeros(page.shape, bool)
        held_out[rows] = is_known(page[rows])
        if _has_all([page[held_out]], kinds) and _has_all([page[~held_out]], kinds):
            where = f"rows {rows[0]} to {rows[-1]} are held out for validation."
            sentence = f"Slice {index} is the only labelled one: its {where}"
            return Holdout([index], [index], {index: held_out}, sentence)
    raise UserError(
        f"{name} has too few labels on its only labelled slice to hold some out.",
        "Label another slice.",
    )


def _hold_out_strokes(
    labels: Mapping[int, NDArray[Any]], labelled: list[int], fold: int, name: str, kinds: Kinds
) -> Holdout:
    from scipy import ndimage

    held_out = {index: np.zeros(page.shape, bool) for index, page in labels.items()}
    strokes_in_all, strokes_held_out = 0, 0
    for value, kind in kinds.items():
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
    train = [z for z in labelled if (is_known(labels[z]) & ~held_out[z]).any()]
    held_out = {z: held_out[z] for z in valid}
    is_membrane = kinds is MEMBRANE_KINDS
    both = "both strokes of membrane and of inside" if is_membrane else "strokes of all classes"
    where = (
        f"Slice {labelled[0]} is the only labelled one"
        if len(labelled) == 1
        else f"No slice alone has {both} to spare"
    )
    verb = "is" if strokes_held_out == 1 else "are"
    sentence = f"{where}: {strokes_held_out} of {strokes_in_all} strokes {verb} held out"
    return Holdout(train, valid, held_out, f"{sentence} for validation.")


def _pick(things: Sequence[_Thing], fold: int) -> list[_Thing]:
    """Pick a fifth of some things, at least one, by a shuffle that is always the same."""
    order = np.random.RandomState(0).permutation(len(things))
    count = max(1, round(len(things) / FOLDS))
    picked = np.roll(order, fold * count)[-count:]
    return [things[index] for index in sorted(picked)]


def _has_all(pages: Sequence[NDArray[Any]], kinds: Kinds) -> bool:
    """Return whether labels have all kinds."""
    return all(any((page == value).any() for page in pages) for value in kinds)


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
