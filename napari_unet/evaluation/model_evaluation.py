"""Evaluation of models on the slices of a stack: which model judges which fold, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_unet.evaluation.cross_validation import FoldEvaluation
from napari_unet.evaluation.predicted_slices import Codes, TrueNeurons, judge
from napari_unet.prediction.predictor import Predictor
from training.class_thresholds import Thresholds
from training.config import FOLDS
from training.dataset.holdout import hold_out, kinds_of
from training.errors import UserError
from training.metrics.evaluation_report import Evaluation
from training.model.slice_prediction import WHOLE
from training.model.slice_view import SliceView
from training.stacks.scaling import Slices
from training.stacks.sparse_labels import is_known

Probabilities = dict[int, NDArray[np.float32]]


@dataclass(frozen=True)
class JudgedModel:
    """A model, and how it predicts what is judged.

    Parameters
    ----------
    predictor : Predictor
    view : SliceView
        At which scale slices are predicted.
    given : Thresholds
        What a person gave; those of nothing are the model's.
    """

    predictor: Predictor
    view: SliceView = WHOLE
    given: Thresholds = field(default_factory=Thresholds)

    @property
    def thresholds(self) -> dict[str, float]:
        """Those that decide, see :meth:`Thresholds.deciding`.

        Raises
        ------
        UserError
            If the given ones are not of what is predicted.
        """
        return self.given.deciding(self.predictor.classes, self.predictor.card.threshold)

    def evaluate(
        self,
        fold: int | None,
        images: Slices,
        codes: Codes,
        counted: Mapping[int, NDArray[np.bool_]],
        on_slice: Callable[[], object] = lambda: None,
        true_neurons: TrueNeurons | None = None,
    ) -> tuple[Evaluation, Probabilities]:
        """Predict slices, and compare some of their pixels.

        Parameters
        ----------
        counted : mapping of int to array (Y, X) of bool
            Those pixels, of the slices that are predicted.
        fold, images, codes, on_slice, true_neurons
            As of :func:`evaluate_fold`, whose results and errors it has as well.
        """
        thresholds = self.thresholds
        probabilities: Probabilities = {}
        found = self.predictor.predict(images, indices=list(counted), view=self.view)
        for index, probability in found:
            probabilities[index] = probability
            on_slice()
        classes = self.predictor.classes
        judged = judge(
            *(fold, probabilities, codes, counted, thresholds),
            true_neurons=true_neurons,
            classes=classes,
        )
        return judged, probabilities


Models = Mapping[str, JudgedModel]


def assign_folds(models: Models, fold: int | str | None) -> list[tuple[int, str]]:
    """Which folds to evaluate, each with the name of the model for it.

    Parameters
    ----------
    models : mapping of str to JudgedModel
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
    for name, model in models.items():
        own = model.predictor.card.fold
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
    if fold != "all" and len(models) > 1:
        raise UserError(
            f"Fold {fold} needs one model, but {len(models)} were given.",
            "Give one run, or leave out --fold.",
        )
    first = next(iter(models))
    folds = range(FOLDS) if fold == "all" else [int(fold)]
    return [(index, holding_out.get(index, first)) for index in folds]


def evaluate_folds(
    models: Models,
    assignment: Iterable[tuple[int, str]],
    images: Slices,
    codes: Codes,
    on_slice: Callable[[], object] = lambda: None,
    true_neurons: TrueNeurons | None = None,
) -> Iterator[FoldEvaluation]:
    """Predict and evaluate the validation slices of folds.

    Parameters
    ----------
    assignment : iterable of (int, str)
        See :func:`assign_folds`.
    images, codes, on_slice, true_neurons
        See :func:`evaluate_fold`.

    Yields
    ------
    FoldEvaluation
    """
    for fold, name in assignment:
        model = models[name]
        evaluation, probabilities = evaluate_fold(
            model, fold, images, codes, on_slice, true_neurons
        )
        trained = set(model.predictor.card.seen_slices(images))
        if len(codes) == 1 and fold == model.predictor.card.fold:
            trained = set()  # on the other part of the slice
        yield FoldEvaluation(
            name, evaluation, [index for index in probabilities if index in trained]
        )


def evaluate_fold(
    model: JudgedModel,
    fold: int,
    images: Slices,
    codes: Codes,
    on_slice: Callable[[], object] = lambda: None,
    true_neurons: TrueNeurons | None = None,
) -> tuple[Evaluation, Probabilities]:
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

    Returns
    -------
    evaluation : Evaluation
    probabilities : dict of int to array (Y, X) of float32, 0..1; of classes (C, Y, X)
        Probabilities, by the index of the slice.

    Raises
    ------
    UserError
        For NaN or infinite pixels, a model that can't be used on these images, or thresholds that
        are not its; as :func:`~training.dataset.holdout.hold_out`.
    """
    kinds = kinds_of(model.predictor.classes, codes)
    held_out = hold_out(codes, fold, kinds=kinds).held_out
    return model.evaluate(fold, images, codes, held_out, on_slice, true_neurons)


def evaluate_labelled(
    name: str,
    model: JudgedModel,
    images: Slices,
    codes: Codes,
    on_slice: Callable[[], object] = lambda: None,
    true_neurons: TrueNeurons | None = None,
) -> FoldEvaluation:
    """Predict the slices that have labels, and compare the labelled pixels.

    Parameters
    ----------
    name : str
        Of the model.
    images, codes, on_slice, true_neurons
        As of :func:`evaluate_fold`; of codes, 0 is unknown.

    Raises
    ------
    UserError
        As :func:`evaluate_fold`.
    """
    known = {index: is_known(page) for index, page in codes.items()}
    evaluation, _ = model.evaluate(None, images, codes, known, on_slice, true_neurons)
    trained = set(model.predictor.card.seen_slices(images))
    return FoldEvaluation(name, evaluation, [index for index in codes if index in trained])
