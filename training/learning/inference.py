"""Prediction by MindSpore itself, as validation and ``training.eval`` need it."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from training.dataset.training_set import TrainingSet
from training.metrics.class_metrics import evaluate_classes
from training.metrics.evaluation_report import ZOO_DICE, Evaluation, evaluate_slices
from training.model.card_of_training import card_of_volume
from training.model.model_card import ModelCard
from training.model.slice_prediction import WHOLE, predict_slice
from training.model.slice_view import SliceView
from training.model.zoo_evaluation import has_zoo_dice, zoo_dice
from training.networks.membrane_network import build_probability


class Inference:
    """Predicts by a network, with the scaling and the tiling of its card."""

    def __init__(self, network: nn.Cell, card: ModelCard) -> None:
        network.set_train(False)
        outputs = card.label_classes.outputs
        self._probability = build_probability(network, card.preset, outputs)
        self._card = card

    def predict(
        self,
        image: NDArray[Any],
        tta: bool = False,
        view: SliceView = WHOLE,
        padding: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """Predict the probability of membrane of a slice, or those of classes.

        Parameters
        ----------
        image : array (Y, X)
            Unscaled, of any real dtype.
        tta : bool
            Take the mean over flips and quarter turns.
        view : SliceView
            At which scale, and which part; by default all as it is.
        padding : array (Y, X) of bool, optional
            That of the slice, where it is known.

        Returns
        -------
        array (Y, X) of float32; of classes (C, Y, X)
            Probabilities, 0..1.
        """
        return predict_slice(self._forward, image, self._card, tta, view, padding)

    def predict_slice(self, data: TrainingSet, number: int) -> NDArray[np.float32]:
        """Predict a labelled slice as its volume was trained on, see :meth:`predict`.

        Returns
        -------
        array (Y, X) of float32; of classes (C, Y, X)
        """
        card = card_of_volume(self._card, data.volume_of(number))
        return predict_slice(self._forward, data.images[number], card)

    def validate(
        self, data: TrainingSet, fold: int
    ) -> tuple[Evaluation, dict[int, NDArray[np.float32]]]:
        """Compute the figures of the validation slices.

        Returns
        -------
        evaluation : Evaluation
        probabilities : dict of int to array (Y, X) of float32; of classes (C, Y, X)
            Probabilities, by the slice's number.
        """
        probabilities = {number: self.predict_slice(data, number) for number in data.valid_slices}
        volumes = {volume.name: volume.first for volume in data.volumes}
        if data.classes:
            places = volumes if len(volumes) > 1 else {}
            truth = data.classes, data.channels, data.held_out
            return evaluate_classes(fold, probabilities, *truth, volumes=places), probabilities
        evaluation = evaluate_slices(
            fold,
            probabilities,
            data.membrane,
            known=data.held_out,
            volumes=volumes if len(volumes) > 1 else {},
        )
        if data.held_out is None and has_zoo_dice(self._card.preset):
            figures = (
                zoo_dice(self._forward, data.images[number], data.membrane[number], card)
                for number in data.valid_slices
                for card in [card_of_volume(self._card, data.volume_of(number))]
            )
            evaluation = evaluation.with_figure(ZOO_DICE, figures)
        return evaluation, probabilities

    def _forward(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        probability: NDArray[np.float32] = self._probability(Tensor(image)).asnumpy()
        return probability.astype(np.float32)
