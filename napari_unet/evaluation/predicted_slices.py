"""Predicted slices, compared with their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.label_classes import MEMBRANE_NAME, NO_CLASSES, NO_THRESHOLDS, LabelClasses
from training.metrics.class_metrics import evaluate_classes
from training.metrics.evaluation_report import Evaluation, evaluate_slices
from training.metrics.neuron_metrics import (
    NEURON_FIGURES,
    THRESHOLDS,
    label_neurons,
    neuron_figures_of_segments,
)
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD
from training.stacks.sparse_labels import INSIDE, MEMBRANE, PADDING, channels_of

Codes = Mapping[int, NDArray[np.uint8]]
TrueNeurons = Callable[[int], NDArray[Any]]


def judge(
    fold: int | None,
    probabilities: Mapping[int, NDArray[np.float32]],
    codes: Codes,
    counted: Mapping[int, NDArray[np.bool_]],
    thresholds: Mapping[str, float] = NO_THRESHOLDS,
    neuron_thresholds: Sequence[float] = THRESHOLDS,
    true_neurons: TrueNeurons | None = None,
    segments: Mapping[int, NDArray[Any]] | None = None,
    classes: LabelClasses = NO_CLASSES,
) -> Evaluation:
    """Compare slices with their labels; where neurons count as a whole, by these too.

    Parameters
    ----------
    fold : int or None
        The fold that the slices are of.
    probabilities : mapping of int to array (Y, X) of float32, 0..1
        Probability of membrane, by the index of the slice; of classes (C, Y, X).
    codes : mapping of int to array (Y, X) of uint8
        Labels of these slices and more: 0 = unknown, 1 = membrane, 2 = inside, 255 = padding.
    counted : mapping of int to array (Y, X) of bool
        The pixels that are compared.
    thresholds : mapping of str to float
        Those that decide, see :meth:`Thresholds.deciding`; none: membrane from 0.5 on, or the
        likeliest class.
    neuron_thresholds : sequence of float
        Those that the figures of neurons are measured at; the best is taken.
    true_neurons : callable or None
        Gives the numbered neurons of a slice by its index, where labels are ids. None: they are
        the pieces of what is inside, and known only of slices that count as a whole.
    segments : mapping of int to array (Y, X) of int, or None
        Numbered neurons that are judged; None: those that the probabilities make.
    classes : LabelClasses
        If probabilities are of classes, and codes their places from 1, these.
    """
    if classes:
        channels = {index: channels_of(codes[index]) for index in probabilities}
        truth = classes, channels, counted
        return evaluate_classes(fold, probabilities, *truth, thresholds=thresholds)
    membrane = {index: codes[index] == MEMBRANE for index in probabilities}
    threshold = thresholds.get(MEMBRANE_NAME, DEFAULT_THRESHOLD)
    pixels = evaluate_slices(fold, probabilities, membrane, threshold, counted)
    pixels = replace(pixels, thresholds=dict(thresholds))
    left_out = {z: ~counted[z] & (codes[z] != PADDING) for z in probabilities}
    if true_neurons is None:
        neurons = {z: label_neurons(codes[z] == INSIDE) for z in probabilities}
    else:
        neurons = {z: true_neurons(z) for z in probabilities}
        left_out = {z: page & (neurons[z] != 0) for z, page in left_out.items()}
    if any(page.any() for page in left_out.values()):
        return pixels
    if segments is None:
        return pixels.with_neuron_figures(probabilities, neurons, neuron_thresholds)
    found = {z: neuron_figures_of_segments(segments[z], neurons[z]) for z in probabilities}
    for name in NEURON_FIGURES:
        pixels = pixels.with_figure(name, [figures[name] for figures in found.values()])
    return pixels
