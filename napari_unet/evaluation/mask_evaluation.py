"""A mask, or neurons, compared with the ground truth: for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.evaluation.class_masks import (
    check_shape,
    counted_pixels,
    evaluate_class_mask,
)
from napari_unet.evaluation.mask_meaning import mask_meaning
from napari_unet.evaluation.predicted_slices import judge
from training.dataset.training_pair import OpenLabels
from training.errors import UserError
from training.formats.stack import Stack
from training.label_convention import LabelConvention
from training.metrics.evaluation_report import Evaluation
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD
from training.stacks.label_meaning import LabelMeaning
from training.stacks.sparse_labels import MEMBRANE


def evaluate_mask(
    mask: Stack,
    truth: OpenLabels,
    convention: LabelConvention | None = None,
    fold: int | None = None,
) -> tuple[LabelMeaning, Evaluation]:
    """Compare a mask with its truth, slice by slice.

    Parameters
    ----------
    convention : LabelConvention or None
        That of the mask; None: a note in its file, ids and probabilities (floats from 0 to 1, of
        membrane, from 0.5 on) are known, of other greys the rarer half is membrane, and of the rest
        0. Where the labels are classes, a mask without a convention is of the same.
    fold : int or None
        Of whose slices figures are; None: of all that are labelled.

    Returns
    -------
    meaning : LabelMeaning
        How the mask was read.
    evaluation : Evaluation

    Raises
    ------
    UserError
        If it has another shape than the truth, can't be read, or a fold of strokes is asked for.
    """
    if truth.meaning.classes and convention is None:
        return evaluate_class_mask(mask, truth, fold)
    if fold is not None and not truth.meaning.is_finished:
        raise UserError("Strokes judge all slices that have some.", "Leave out --fold.")
    codes = truth.codes
    counted = counted_pixels(truth, codes, fold)
    check_shape(mask, truth)
    meaning = mask_meaning(mask, convention, truth.meaning.ids)
    read = {index: meaning.read(mask[index]) for index in counted}
    segments = None
    if meaning.convention == LabelConvention.INSTANCES:
        segments = {index: meaning.neurons(mask[index], page) for index, page in read.items()}
    certain = {index: (page == MEMBRANE).astype(np.float32) for index, page in read.items()}
    evaluation = judge(
        fold,
        certain,
        codes,
        counted,
        neuron_thresholds=[DEFAULT_THRESHOLD],
        true_neurons=true_neurons_of(truth),
        segments=segments,
    )
    if segments is None:
        truths = {index: codes[index] == MEMBRANE for index in counted}
        asked = meaning.question, _question_other_way(certain, truths, counted)
        meaning = replace(meaning, question=" ".join(filter(None, asked)))
    return meaning, evaluation


def _question_other_way(
    found: Mapping[int, NDArray[np.float32]],
    wanted: Mapping[int, NDArray[np.bool_]],
    counted: Mapping[int, NDArray[np.bool_]],
) -> str:
    """Ask whether membrane and inside are exchanged; empty where nothing looks like it.

    A mask that is not exchanged hits no less than a random one does.
    """
    pixels = sum(np.count_nonzero(page) for page in counted.values())
    membrane = sum(np.count_nonzero(wanted[z] & page) for z, page in counted.items())
    said = sum(np.count_nonzero((found[z] > 0) & page) for z, page in counted.items())
    hits = sum(np.count_nonzero((found[z] > 0) & wanted[z] & page) for z, page in counted.items())
    if 2 * hits * pixels >= said * membrane:
        return ""
    other = 2 * (membrane - hits) / (pixels - said + membrane)
    return (
        "The mask has hardly any membrane where the labels have it. With membrane and inside "
        f"exchanged its Dice would be {other:.4f}."
    )


def true_neurons_of(truth: OpenLabels) -> Callable[[int], NDArray[Any]] | None:
    """The ids of a slice (Y, X), of the labels' dtype, by its index, where the labels are ids."""
    return truth.neurons if truth.meaning.convention == LabelConvention.INSTANCES else None


def check_labelled(truth: OpenLabels) -> None:
    """Refuse labels that are empty.

    Raises
    ------
    UserError
    """
    if not truth.meaning.labelled:
        raise UserError(
            f"{truth.labels.path} holds no stroke.", "Paint on membranes and inside cells."
        )
