"""The stack that a run trains on, and how it is split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig, parse_numbers
from training.dataset.holdout import MINIMUM_SLICES, Holdout, hold_out
from training.dataset.training_pair import TrainingPair, find_pair, open_pair
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.label_convention import LabelConvention
from training.stacks.fingerprint import fingerprint, fingerprint_labels
from training.stacks.scaling import Scaling
from training.stacks.sparse_labels import INSIDE, MEMBRANE, LabelNote, is_known

USUAL_SHARE = 0.22  # of membrane in a section


@dataclass(frozen=True)
class TrainingSet:
    """What is trained and validated on: the labelled slices of a stack, each by its index.

    Parameters
    ----------
    name : str
        Name of the image stack's file.
    shape : tuple of int
        (Z, Y, X) of the whole stack.
    scaling : Scaling
        Scaling of the whole stack.
    fingerprint : str
        That of the whole stack, see :func:`~training.stacks.fingerprint.fingerprint`.
    labels_fingerprint : str
        That of the labels, see :func:`~training.stacks.fingerprint.fingerprint_labels`.
    images : mapping of int to array (Y, X)
        With the file's dtype.
    membrane : mapping of int to array (Y, X) of bool
        The ground truth.
    train_slices, valid_slices : list of int
        The split.
    sentences : tuple of str
        How the labels are read, and at last what is held out.
    weights : mapping of int to array (Y, X) of float32, or None
        How much the loss of a training slice's pixel counts, 0 where it is not trained on; None:
        all the same.
    held_out : mapping of int to array (Y, X) of bool, or None
        Pixels of the validation slices that are compared; None: all.
    pixel_size : PixelSize or None
        As the images' file gives it.
    neurons : mapping of int to array (Y, X) of int, or None
        The true neurons of the validation slices, see :meth:`LabelReading.neurons`; None where
        they can't be told apart, or are held out in part.
    """

    name: str
    shape: tuple[int, int, int]
    scaling: Scaling
    fingerprint: str
    labels_fingerprint: str
    images: Mapping[int, NDArray[Any]]
    membrane: Mapping[int, NDArray[np.bool_]]
    train_slices: list[int]
    valid_slices: list[int]
    sentences: tuple[str, ...]
    weights: Mapping[int, NDArray[np.float32]] | None = None
    held_out: Mapping[int, NDArray[np.bool_]] | None = None
    pixel_size: PixelSize | None = None
    neurons: Mapping[int, NDArray[Any]] | None = None


def load_training_set(config: TrainingConfig) -> TrainingSet:
    """Read the labelled slices of a stack, and split them by the fold.

    Raises
    ------
    UserError
        If files are missing or can't be used, or there is no such fold.
    """
    image_path, labels_path = find_pair(config.data_url, config.image, config.labels)
    with open_pair(image_path, labels_path, config.label_convention, config.ids) as pair:
        images, codes = pair.images, pair.codes
        chosen = parse_numbers(config.valid_slices, "valid_slices")
        _check_indices(chosen, len(images), "valid_slices")
        split = hold_out(codes, config.cross_valid_ind, chosen, str(labels_path))
        pixels = {index: images[index] for index in codes}
        stack = images.shape, Scaling.of(images), fingerprint(images)
        sentences = *pair.meaning.describe(), split.sentence
        note = pair.labels.label_note
        neurons = _true_neurons(pair, split)
    membrane = {index: page == MEMBRANE for index, page in codes.items()}
    data = TrainingSet(
        image_path.name,
        *stack,
        fingerprint_labels(codes),
        pixels,
        membrane,
        split.train_slices,
        split.valid_slices,
        sentences,
        pixel_size=images.pixel_size,
        neurons=neurons,
    )
    is_sparse = config.label_convention == LabelConvention.SPARSE
    is_whole = all(is_known(page).all() for page in codes.values())
    if not is_sparse and len(codes) >= MINIMUM_SLICES and is_whole:
        return data
    training = {index: codes[index] for index in split.train_slices}
    weights = stroke_weights(training, split.held_out)
    for index in corrected_slices(config, note, data.shape[0]):
        if index in weights:
            weights[index] *= config.corrected_weight
    return replace(data, weights=weights, held_out=split.held_out)


def _true_neurons(pair: TrainingPair, split: Holdout) -> dict[int, NDArray[Any]] | None:
    if not pair.meaning.has_neurons:
        return None
    neurons = {index: pair.neurons(index) for index in split.valid_slices}
    are_whole = all(split.held_out[z][page != 0].all() for z, page in neurons.items())
    return neurons if are_whole else None


def stroke_weights(
    labels: Mapping[int, NDArray[Any]], held_out: Mapping[int, NDArray[np.bool_]]
) -> dict[int, NDArray[np.float32]]:
    """Weigh the pixels of sparse labels that are trained on.

    A person paints about as many strokes on membranes as inside cells, but membranes are rarer:
    each kind counts by its usual share. Slices that are labelled throughout show that share
    themselves, so their pixels count 1.

    Parameters
    ----------
    labels : mapping of int to array (Y, X) of uint8
        The training slices: 0 is unknown, 1 membrane, 2 inside, 3 padding.
    held_out : mapping of int to array (Y, X) of bool
        Labelled pixels that validate.

    Returns
    -------
    mapping of int to array (Y, X) of float32
        0 where nothing is known or it is held out.
    """
    known = {
        index: is_known(page) & ~held_out.get(index, np.False_) for index, page in labels.items()
    }
    weights = {index: is_known.astype(np.float32) for index, is_known in known.items()}
    strokes = [index for index, page in labels.items() if not page.all()]
    membrane = sum(
        np.count_nonzero(known[index] & (labels[index] == MEMBRANE)) for index in strokes
    )
    share = membrane / max(sum(np.count_nonzero(known[index]) for index in strokes), 1)
    if 0 < share < 1:
        of_kind = {MEMBRANE: USUAL_SHARE / share, INSIDE: (1 - USUAL_SHARE) / (1 - share)}
        for index in strokes:
            for kind, weight in of_kind.items():
                weights[index][known[index] & (labels[index] == kind)] = weight
    return weights


def corrected_slices(config: TrainingConfig, note: LabelNote | None, length: int) -> list[int]:
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
    return [index for index in note.corrected_slices if index < length] if note else []


def _check_indices(slices: list[int], length: int, name: str) -> None:
    missing = [index for index in slices if index >= length]
    if missing:
        raise UserError(
            f"{name} names slice {missing[0]}, but the stack has {length}.",
            f"Give indices from 0 to {length - 1}.",
        )
