"""Masks of classes, compared with the ground truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from training.dataset.holdout import hold_out, kinds_of
from training.dataset.training_pair import OpenLabels
from training.errors import UserError
from training.formats.stack import Stack
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import LabelConvention
from training.metrics.class_metrics import evaluate_classes
from training.metrics.evaluation_report import Evaluation
from training.stacks.class_census import check_values, describe_shares
from training.stacks.label_census import LabelCensus
from training.stacks.label_meaning import LabelMeaning
from training.stacks.sparse_labels import channels_of, is_known


def evaluate_class_mask(
    mask: Stack, truth: OpenLabels, fold: int | None
) -> tuple[LabelMeaning, Evaluation]:
    """Compare a mask of classes with labels of the same.

    Classes are known by their names where the mask's file gives these, else by their values.
    Parameters, results and errors as of :func:`mask_evaluation.evaluate_mask`; a UserError if the
    mask has other classes.
    """
    check_shape(mask, truth)
    classes = truth.meaning.classes
    found = mask.label_note.classes if mask.label_note is not None else classes
    found = found or classes
    _check_same(str(mask.path), found, classes)
    census = LabelCensus.of(mask)
    check_values(census, str(mask.path), found)
    codes = truth.codes_of(classes)
    counted = counted_pixels(truth, codes, fold, classes)
    order = [found.names.index(name) for name in classes.names]
    certain = {z: _one_hot(found.channels(mask[z]), order) for z in counted}
    channels = {z: channels_of(codes[z]) for z in counted}
    told = describe_shares(census, found)
    meaning = LabelMeaning(LabelConvention.CLASSES, classes=found, reading=told)
    return meaning, evaluate_classes(fold, certain, classes, channels, counted)


def counted_pixels(
    truth: OpenLabels,
    codes: Mapping[int, NDArray[np.uint8]],
    fold: int | None,
    classes: LabelClasses = NO_CLASSES,
) -> dict[int, NDArray[np.bool_]]:
    """Find the pixels of the truth that are compared: bool (Y, X), by the index of the slice.

    Raises
    ------
    UserError
        As :func:`~training.dataset.holdout.hold_out`.
    """
    if fold is None:
        return {index: is_known(page) for index, page in codes.items()}
    name, kinds = str(truth.labels.path), kinds_of(classes, codes)
    return hold_out(codes, fold, name=name, kinds=kinds).held_out


def check_shape(mask: Stack, truth: OpenLabels) -> None:
    """Refuse a mask of another shape than the truth's.

    Raises
    ------
    UserError
    """
    if mask.shape != truth.labels.shape:
        raise UserError(
            f"{mask.path} has the shape {mask.shape}, but the labels have {truth.labels.shape}.",
            "Give a mask of the same stack.",
        )


def _check_same(name: str, found: LabelClasses, wanted: LabelClasses) -> None:
    if {*found.names} != {*wanted.names}:
        raise UserError(
            f"{name} has the classes {', '.join(found.names)}, but the labels have "
            f"{', '.join(wanted.names)}.",
            "Give labels of the same classes, or a --mask-convention to compare membranes alone.",
        )


def _one_hot(channels: NDArray[np.uint8], order: list[int]) -> NDArray[np.float32]:
    return np.asarray(np.stack([channels == channel for channel in order]), np.float32)
