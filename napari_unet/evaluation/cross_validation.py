"""Evaluation of models on the folds of a stack: which model judges which, and their sum."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.evaluation.slice_sets import (
    ALL,
    HELD_OUT,
    count_sets,
    figures_csv,
    means_by_set,
    set_of,
)
from napari_unet.prediction.predictor import Predictor
from training.config import FOLDS
from training.dataset.holdout import hold_out, kinds_of
from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses
from training.metrics.class_metrics import evaluate_classes
from training.metrics.evaluation_report import Evaluation, evaluate_slices
from training.metrics.neuron_metrics import (
    NEURON_FIGURES,
    THRESHOLDS,
    label_neurons,
    neuron_figures_of_segments,
)
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD, format_table, mean_figures
from training.model.slice_prediction import WHOLE
from training.model.slice_view import SliceView
from training.stacks.scaling import Slices
from training.stacks.sparse_labels import INSIDE, MEMBRANE, PADDING, channels_of, is_known

Predictors = Mapping[str, Predictor]
Codes = Mapping[int, NDArray[np.uint8]]
TrueNeurons = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class FoldEvaluation:
    """Figures of a fold's validation slices.

    Parameters
    ----------
    model : str
        Name of the model that predicted them.
    evaluation : Evaluation
    seen : list of int
        Those slices that the model was trained on: their figures flatter it.
    """

    model: str
    evaluation: Evaluation
    seen: list[int]

    def title(self) -> str:
        """One line that says what was evaluated, and whether that was fair."""
        fold = self.evaluation.fold
        start = f"{self.model}: " if fold is None else f"Fold {fold}, {self.model}: "
        total = len(self.evaluation.slices)
        if not self.seen:
            return f"{start}{total} slice{'s' * (total != 1)} that it was not trained on"
        return (
            f"{start}{len(self.seen)} of {total} slices WERE SEEN IN TRAINING "
            f"({', '.join(map(str, self.seen))}); their figures flatter"
        )

    def table(self) -> str:
        """Format the figures for a terminal; each slice says which set it is in."""
        marks = {
            int(figures["index"]): set_of(int(figures["index"]), self.seen)
            for figures in self.evaluation.slices
        }
        return format_table(self.evaluation.slices, self.evaluation.mean, marks=marks)


@dataclass(frozen=True)
class CrossValidation:
    """Figures of several folds."""

    folds: list[FoldEvaluation]

    def mean(self) -> dict[str, float]:
        """Average each figure over the slices of all folds."""
        return mean_figures([figures for fold in self.folds for figures in fold.evaluation.slices])

    def held_out_mean(self) -> dict[str, float] | None:
        """Mean over the slices that their model was not trained on; None if there are none."""
        slices = [
            figures
            for fold in self.folds
            for figures in fold.evaluation.slices
            if figures["index"] not in fold.seen
        ]
        return mean_figures(slices) if slices else None

    def report(self) -> str:
        """Tables for a terminal, and the means where there are several folds."""
        parts = [f"{fold.title()}\n{fold.table()}" for fold in self.folds]
        if len(self.folds) > 1:
            means: list[Mapping[str, Any]] = [
                {"index": fold.evaluation.fold, **fold.evaluation.mean} for fold in self.folds
            ]
            parts.append(f"All folds\n{format_table(means, self.mean(), title='fold')}")
        if len(self.folds) > 1 or self._seen():
            parts.append(self._sets_text())
        return "\n\n".join(parts)

    def _sets_text(self) -> str:
        """Write the mean of the slices held out, and of those trained on, in a line each."""
        slices, trained = self._by_slice(), self._seen()
        counts = count_sets(slices, trained)
        lines = [
            f"{name} ({counts[name]}): "
            + ", ".join(f"{figure} {value:.4f}" for figure, value in mean.items())
            for name, mean in means_by_set(slices, trained).items()
            if name != ALL
        ]
        if HELD_OUT not in counts:
            lines.append("Every slice was seen in training: give the runs that held them out.")
        return "Means\n" + "\n".join(lines)

    def _by_slice(self) -> dict[int, Mapping[str, float]]:
        return {
            index: figures
            for fold in self.folds
            for index, figures in fold.evaluation.by_slice().items()
        }

    def _seen(self) -> set[int]:
        return {index for fold in self.folds for index in fold.seen}

    def to_json(self) -> str:
        """Report the folds and their means, or the evaluation of a single fold."""
        if len(self.folds) == 1:
            return self.folds[0].evaluation.to_json()
        folds = [
            {**fold.evaluation.to_dict(), "model": fold.model, "seen_in_training": fold.seen}
            for fold in self.folds
        ]
        document = {"folds": folds, "mean": self.mean(), "held_out_mean": self.held_out_mean()}
        return json.dumps(document, indent=2) + "\n"

    def to_csv(self, truth: str = "") -> str:
        """Write a line a slice of all folds, then the means; each names the truth."""
        of_slices = [(index, fold) for fold in self.folds for index in fold.evaluation.by_slice()]
        labels: dict[str, str | Mapping[int, object]] = {
            "model": {index: fold.model for index, fold in of_slices},
            "fold": {index: fold.evaluation.fold for index, fold in of_slices},
            "truth": truth,
        }
        return figures_csv(self._by_slice(), self._seen(), list(self.mean()), labels)


def assign_folds(predictors: Predictors, fold: int | str | None) -> list[tuple[int, str]]:
    """Which folds to evaluate, each with the name of the model for it.

    Parameters
    ----------
    predictors : mapping of str to Predictor
        By name, in the order given.
    fold : int, "all" or None
        None: of each model the fold that it was not trained on. A fold, or all: each with
        the model that was not trained on it, or with the first where there is none. A model
        that was not trained on any of the stack has all folds.

    Raises
    ------
    UserError
        If two models hold out the same fold, or there are too many for one fold.
    """
    holding_out: dict[int, str] = {}
    for name, predictor in predictors.items():
        own = predictor.card.fold
        if own is None:
            fold = "all" if fold is None else fold
            continue
        if own in holding_out:
            raise UserError(
                f"{holding_out[own]} and {name} both hold out fold {own}.",
                "Give one run of each fold.",
            )
        holding_out[own] = name
    if fold is None:
        return sorted(holding_out.items())
    if fold != "all" and len(predictors) > 1:
        raise UserError(
            f"Fold {fold} needs one model, but {len(predictors)} were given.",
            "Give one run, or leave out --fold.",
        )
    first = next(iter(predictors))
    folds = range(FOLDS) if fold == "all" else [int(fold)]
    return [(index, holding_out.get(index, first)) for index in folds]


def evaluate_folds(
    predictors: Predictors,
    assignment: Iterable[tuple[int, str]],
    images: Slices,
    codes: Codes,
    on_slice: Callable[[], object] = lambda: None,
    true_neurons: TrueNeurons | None = None,
    views: Mapping[str, SliceView] = MappingProxyType({}),
) -> Iterator[FoldEvaluation]:
    """Predict and evaluate the validation slices of folds.

    Parameters
    ----------
    assignment : iterable of (int, str)
        See :func:`assign_folds`.
    images, codes, on_slice, true_neurons
        See :func:`evaluate_fold`.
    views : mapping of str to SliceView
        At which scale models predict, by their names; those that are missing at the images'.

    Yields
    ------
    FoldEvaluation
    """
    for fold, name in assignment:
        predictor = predictors[name]
        evaluation, probabilities = evaluate_fold(
            predictor, fold, images, codes, on_slice, true_neurons, views.get(name, WHOLE)
        )
        trained = set(predictor.card.seen_slices(images))
        if len(codes) == 1 and fold == predictor.card.fold:
            trained = set()  # on the other part of the slice
        yield FoldEvaluation(
            name, evaluation, [index for index in probabilities if index in trained]
        )


def evaluate_fold(
    predictor: Predictor,
    fold: int,
    images: Slices,
    codes: Codes,
    on_slice: Callable[[], object] = lambda: None,
    true_neurons: TrueNeurons | None = None,
    view: SliceView = WHOLE,
) -> tuple[Evaluation, dict[int, NDArray[np.float32]]]:
    """Predict and evaluate the validation slices of a fold.

    Of a single labelled slice it is the part that a training holds out, and without the figures
    of neurons, which go through the whole slice.

    Parameters
    ----------
    images : array (Z, Y, X), or a file of slices
        Intensities of any real dtype.
    codes : mapping of int to array (Y, X) of uint8
        The labelled slices: 1 = membrane, 2 = inside, 255 = padding; of a predictor of classes
        their places from 1.
    on_slice : callable
        Called after each slice, for a progress bar.
    true_neurons : callable or None
        See :func:`judge`.
    view : SliceView
        At which scale slices are predicted.

    Returns
    -------
    evaluation : Evaluation
    probabilities : dict of int to array (Y, X) of float32, 0..1; of classes (C, Y, X)
        Probabilities, by the index of the slice.

    Raises
    ------
    UserError
        For NaN or infinite pixels, or a model that can't be used on these images; as
        :func:`~training.dataset.holdout.hold_out`.
    """
    held_out = hold_out(codes, fold, kinds=kinds_of(predictor.classes, codes)).held_out
    probabilities = _predict(predictor, images, list(held_out), on_slice, view)
    threshold = predictor.card.threshold
    options: dict[str, Any] = {"true_neurons": true_neurons, "classes": predictor.classes}
    judged = judge(fold, probabilities, codes, held_out, threshold, **options)
    return judged, probabilities


def judge(
    fold: int | None,
    probabilities: Mapping[int, NDArray[np.float32]],
    codes: Codes,
    counted: Mapping[int, NDArray[np.bool_]],
    threshold: float = DEFAULT_THRESHOLD,
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
        Probability of membrane, by the index of the slice.
    codes : mapping of int to array (Y, X) of uint8
        Labels of these slices and more: 0 = unknown, 1 = membrane, 2 = inside, 255 = padding.
    counted : mapping of int to array (Y, X) of bool
        The pixels that are compared.
    threshold : float
        Probability from which on a pixel is membrane.
    neuron_thresholds : sequence of float
        Those that the figures of neurons are measured at; the best is taken.
    true_neurons : callable or None
        Gives the numbered neurons of a slice by its index, where labels are ids. None: they are
        the pieces of what is inside, and known only of slices that count as a whole.
    segments : mapping of int to array (Y, X) of int, or None
        Numbered neurons that are judged; None: those that the probabilities make.
    classes : LabelClasses
        If probabilities are of classes, (C, Y, X), and codes their places from 1, these.
    """
    if classes:
        channels = {index: channels_of(codes[index]) for index in probabilities}
        return evaluate_classes(fold, probabilities, classes, channels, counted)
    membrane = {index: codes[index] == MEMBRANE for index in probabilities}
    pixels = evaluate_slices(fold, probabilities, membrane, threshold, counted)
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


def evaluate_on_strokes(
    name: str,
    predictor: Predictor,
    images: Slices,
    codes: Codes,
    on_slice: Callable[[], object] = lambda: None,
    true_neurons: TrueNeurons | None = None,
    view: SliceView = WHOLE,
) -> FoldEvaluation:
    """Predict the slices that have labels, and compare the labelled pixels.

    Parameters
    ----------
    name : str
        Of the model.
    images : array (Z, Y, X), or a file of slices
        Intensities of any real dtype.
    codes : mapping of int to array (Y, X) of uint8
        The labelled slices: 0 = unknown, 1 = membrane, 2 = inside, 255 = padding.
    on_slice : callable
        Called after each slice, for a progress bar.
    true_neurons : callable or None
        See :func:`judge`.
    view : SliceView
        At which scale slices are predicted.

    Raises
    ------
    UserError
        As :func:`evaluate_fold`.
    """
    slices = list(codes)
    probabilities = _predict(predictor, images, slices, on_slice, view)
    known = {index: is_known(page) for index, page in codes.items()}
    threshold = predictor.card.threshold
    options: dict[str, Any] = {"true_neurons": true_neurons, "classes": predictor.classes}
    evaluation = judge(None, probabilities, codes, known, threshold, **options)
    trained = set(predictor.card.seen_slices(images))
    return FoldEvaluation(name, evaluation, [index for index in slices if index in trained])


def _predict(
    predictor: Predictor,
    images: Slices,
    slices: list[int],
    on_slice: Callable[[], object],
    view: SliceView,
) -> dict[int, NDArray[np.float32]]:
    probabilities = {}
    for index, probability in predictor.predict(images, indices=slices, view=view):
        probabilities[index] = probability
        on_slice()
    return probabilities
