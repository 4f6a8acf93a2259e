"""Figures of predicted classes against the ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.label_classes import DICE_OF, NO_CHANNEL, NO_THRESHOLDS, LabelClasses
from training.metrics.evaluation_report import Evaluation, Pages, place_of
from training.metrics.pixel_metrics import FIGURES, overlap_figures


def class_figures(
    probabilities: NDArray[np.float32],
    channels: NDArray[np.uint8],
    classes: LabelClasses,
    thresholds: Mapping[str, float] = NO_THRESHOLDS,
) -> dict[str, float]:
    """Compute the figures of a slice, by their names.

    A pixel is of the class that :meth:`LabelClasses.decide` says. ``dice``, ``iou``, ``precision``
    and ``recall`` are means over the classes, but for that of the value 0, and ``dice_NAME`` is
    that of each; as of membrane, they are 1 where there was nothing to find and nothing was found.
    ``soft_dice`` is over the channels of all classes together, as
    :func:`~training.metrics.pixel_metrics.soft_dice` is over those of membrane and inside.

    Parameters
    ----------
    probabilities : array (C, Y, X) of float32
        0..1.
    channels : array (Y, X) of uint8
        The true class of the same pixels, by its place; 255: unknown, which does not count.
    classes : LabelClasses
    thresholds : mapping of str to float
        Of some of the classes, by their names.
    """
    is_known = channels != NO_CHANNEL
    found = classes.channels(classes.decide(probabilities, thresholds))
    p = np.asarray(probabilities[:, is_known], np.float64)
    wanted = channels[is_known]
    overlap = np.take_along_axis(p, wanted[np.newaxis].astype(np.intp), axis=0).sum()
    figures = class_overlap(found[is_known], wanted, classes)
    figures["soft_dice"] = float(2 * overlap / (np.sum(p * p) + wanted.size + 1e-6))
    return {name: figures[name] for name in FIGURES} | figures  # these first


def class_overlap(
    found: NDArray[Any], wanted: NDArray[np.uint8], classes: LabelClasses
) -> dict[str, float]:
    """Compute those figures of :func:`class_figures` that need no probabilities.

    Parameters
    ----------
    found, wanted : arrays (N,) of int
        The channels of known pixels' classes.
    classes : LabelClasses
    """
    of_classes = {
        classes.members[channel].name: overlap_figures(found == channel, wanted == channel)
        for channel in classes.things
    }
    means = {
        name: float(np.mean([of_class[name] for of_class in of_classes.values()]))
        for name in FIGURES
        if name != "soft_dice"
    }
    return means | {DICE_OF + name: figure["dice"] for name, figure in of_classes.items()}


def evaluate_classes(
    fold: int | None,
    probabilities: Mapping[int, NDArray[np.float32]],
    classes: LabelClasses,
    channels: Pages,
    known: Mapping[int, NDArray[np.bool_]] | None = None,
    volumes: Mapping[str, int] = MappingProxyType({}),
    thresholds: Mapping[str, float] = NO_THRESHOLDS,
) -> Evaluation:
    """Compare predicted slices with the ground truth.

    Parameters and result as of :func:`~training.metrics.evaluation_report.evaluate_slices`, but
    that these are of classes:

    Parameters
    ----------
    probabilities : mapping of int to array (C, Y, X) of float32
        0..1, by the slice's index in the stack; their order is kept.
    classes : LabelClasses
    channels : stack (Z, Y, X) or mapping of int to array (Y, X) of uint8
    thresholds : mapping of str to float
        As of :func:`class_figures`.
    """
    slices: list[dict[str, Any]] = []
    for number, probability in probabilities.items():
        truth = channels[number]
        if known is not None:
            truth = np.where(known[number], truth, np.uint8(NO_CHANNEL))
        figures = class_figures(probability, truth, classes, thresholds)
        slices.append({**place_of(number, volumes), **figures})
    return replace(Evaluation.of(fold, slices), thresholds=dict(thresholds))
