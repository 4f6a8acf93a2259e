"""The stack that a run trains on, and how it is split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig, parse_numbers
from training.errors import UserError
from training.label_convention import LabelConvention
from training.stacks.holdout import hold_out, slices_sentence, split_fold
from training.stacks.sparse_labels import MEMBRANE, UNKNOWN, read_label_note
from training.stacks.training_pair import find_pair, read_pair, to_membrane

USUAL_SHARE = 0.22  # of membrane in a section


@dataclass(frozen=True)
class TrainingSet:
    """What is trained and validated on.

    Parameters
    ----------
    name : str
        Name of the image stack's file.
    images : array (Z, Y, X)
        With the file's dtype.
    membrane : array (Z, Y, X) of bool
        The ground truth.
    train_slices, valid_slices : list of int
        The split.
    sentence : str
        What is held out, in words.
    weights : array (Z, Y, X) of float32 or None
        How much the loss of a pixel counts, 0 where it is not trained on; None: all the same.
    held_out : array (Z, Y, X) of bool or None
        Pixels of the validation slices that are compared; None: all.
    """

    name: str
    images: NDArray[Any]
    membrane: NDArray[np.bool_]
    train_slices: list[int]
    valid_slices: list[int]
    sentence: str
    weights: NDArray[np.float32] | None = None
    held_out: NDArray[np.bool_] | None = None


def load_training_set(config: TrainingConfig) -> TrainingSet:
    """Read the stack and its labels, and split it by the fold.

    Raises
    ------
    UserError
        If files are missing or can't be used, or there is no such fold.
    """
    image_path, labels_path = find_pair(config.data_url, config.image, config.labels)
    images, labels = read_pair(image_path, labels_path, config.label_convention)
    membrane = to_membrane(labels, config.label_convention)
    chosen = parse_numbers(config.valid_slices, "valid_slices")
    _check_indices(chosen, len(images), "valid_slices")
    if config.label_convention != LabelConvention.SPARSE:
        train_slices, valid_slices = split_fold(len(images), config.cross_valid_ind)
        if chosen:
            train_slices = [index for index in range(len(images)) if index not in chosen]
            valid_slices = chosen
        sentence = slices_sentence(valid_slices, len(images))
        return TrainingSet(image_path.name, images, membrane, train_slices, valid_slices, sentence)
    split = hold_out(labels, config.cross_valid_ind, chosen, str(labels_path))
    weights = stroke_weights(labels, split.held_out)
    weights[corrected_slices(config, labels_path, len(images))] *= config.corrected_weight
    return TrainingSet(
        image_path.name,
        images,
        membrane,
        split.train_slices,
        split.valid_slices,
        split.sentence,
        weights,
        split.held_out,
    )


def stroke_weights(labels: NDArray[Any], held_out: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Weigh the pixels of sparse labels that are trained on.

    A person paints about as many strokes on membranes as inside cells, but membranes are rarer:
    each kind counts by its usual share. Slices that are labelled throughout show that share
    themselves, so their pixels count 1.

    Parameters
    ----------
    labels : array (Z, Y, X)
        0 is unknown, 1 membrane, 2 inside.
    held_out : array (Z, Y, X) of bool
        Labelled pixels that validate.

    Returns
    -------
    array (Z, Y, X) of float32
        0 where nothing is known or it is held out.
    """
    is_training = (labels != UNKNOWN) & ~held_out
    weights: NDArray[np.float32] = is_training.astype(np.float32)
    is_stroke = is_training & ~(labels != UNKNOWN).all((1, 2), keepdims=True)
    membrane = is_stroke & (labels == MEMBRANE)
    share = np.count_nonzero(membrane) / max(np.count_nonzero(is_stroke), 1)
    if 0 < share < 1:
        weights[is_stroke] = (1 - USUAL_SHARE) / (1 - share)
        weights[membrane] = USUAL_SHARE / share
    return weights


def corrected_slices(config: TrainingConfig, labels_path: Path, length: int) -> list[int]:
    """List the slices that a person corrected: the configuration's, or the file's note's.

    Raises
    ------
    UserError
        If the configuration names a slice that is not there.
    """
    chosen = parse_numbers(config.corrected_slices, "corrected_slices")
    if chosen:
        _check_indices(chosen, length, "corrected_slices")
        return chosen
    note = read_label_note(labels_path)
    return [index for index in note.corrected_slices if index < length] if note else []


def _check_indices(slices: list[int], length: int, name: str) -> None:
    missing = [index for index in slices if index >= length]
    if missing:
        raise UserError(
            f"{name} names slice {missing[0]}, but the stack has {length}.",
            f"Give indices from 0 to {length - 1}.",
        )
