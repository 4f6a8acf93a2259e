"""The network that learns, its average that is validated, and how both are saved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import mindspore
from mindspore import Tensor

from training.config import TrainingConfig
from training.devices.placement import Device
from training.errors import UserError
from training.learning.batches import Batch, TrainingProgress
from training.learning.checkpoints import (
    pack_weights,
    parameters_of,
    put_weights,
)
from training.learning.inference import Inference
from training.learning.step import (
    TrainStep,
    WeightAverage,
    averaging_share,
    build_optimizer,
    learning_rates,
)
from training.model.model_card import ModelCard
from training.model.saved_model import AVERAGE_PREFIX, CARD_KEY
from training.model.weight_files import Weights, load_weights, read_metadata
from training.networks.membrane_network import build_network
from training.presets.registry import find_preset


class Learner:
    """Learns step by step.

    Two networks of the preset: one is trained; the other holds the exponential moving average
    of its weights (or just its weights, unless ``average_weights``), is validated and kept.

    Parameters
    ----------
    config : TrainingConfig
    card : ModelCard
        Card of the model that comes out.
    device : Device
    total_steps : int
        Length of the learning rate's schedule.

    Attributes
    ----------
    inference : Inference
        Predicts by the averaged weights.
    rates : array (total_steps,) of float32
        The learning rate of every step.
    """

    def __init__(
        self, config: TrainingConfig, card: ModelCard, device: Device, total_steps: int
    ) -> None:
        self.card = card
        self._config = config
        self.rates = learning_rates(config, total_steps)
        self._network = build_network(config.preset)
        self._network.set_train()
        self._average = build_network(config.preset)
        self._average.update_parameters_name(AVERAGE_PREFIX)
        if device.target == "Ascend" and find_preset(config.preset).has_half_precision:
            for network in (self._network, self._average):
                network.to_float(mindspore.float16)
        self._optimizer = build_optimizer(self._network, config, self.rates)
        self._cells = (self._network, self._optimizer, self._average)
        self._step = TrainStep(
            self._network,
            config.preset,
            self._optimizer,
            config.FixedLossScaleManager,
            device.world_size,
        )
        self._follow = WeightAverage(self._network, self._average)
        self.inference = Inference(self._average, card)
        self._follow(Tensor(1.0, mindspore.float32))

    def step(self, step: int, batch: Batch, stop: bool) -> tuple[float, bool]:
        """Train on one batch.

        Parameters
        ----------
        step : int
            Its number, from 1.
        batch : Batch
        stop : bool
            Whether this process was asked to stop.

        Returns
        -------
        loss : float
            Mean over all devices.
        stop : bool
            Whether any process of the run was asked to stop.
        """
        vote = Tensor(float(stop), mindspore.float32)
        loss, votes = self._step(*map(Tensor, batch), vote).asnumpy()
        if self._config.average_weights:
            share = averaging_share(step)
            self._follow(Tensor(share, mindspore.float32))
        return float(loss), bool(votes > 0)

    def settle(self) -> None:
        """Bring the average up to date before a validation."""
        if not self._config.average_weights:
            self._follow(Tensor(1.0, mindspore.float32))

    def start_from(self, path: Path) -> None:
        """Take the weights of a new run from a checkpoint, whoever saved it.

        Raises
        ------
        UserError
            If it can't be read or is of another network.
        """
        weights, metadata = load_weights(path)
        put_weights(self._network, weights, path)
        self._follow(Tensor(1.0, mindspore.float32))
        self._note_learned(metadata, path)

    def checkpoint(self, progress: TrainingProgress) -> bytes:
        """Pack the state of the training for :meth:`resume_from` and :func:`read_progress`."""
        state: Weights = {}
        for cell in self._cells:
            state |= parameters_of(cell)
        metadata = {name: str(value) for name, value in progress._asdict().items()}
        return pack_weights(state, {**metadata, CARD_KEY: self.card.to_json()})

    def resume_from(self, path: Path) -> None:
        """Take up a run from a :meth:`checkpoint`."""
        state, metadata = load_weights(path)
        state["learning_rate"] = self.rates  # another number of devices has its own schedule
        for cell in self._cells:
            put_weights(cell, state, path)
        self._note_learned(metadata, path)

    def _note_learned(self, metadata: Mapping[str, str], path: Path) -> None:
        """Note in the card what the weights have seen before this run, or before its break."""
        if CARD_KEY in metadata:
            former = ModelCard.from_json(metadata[CARD_KEY], str(path))
            self.card = self.card.inherit_slices(former)

    def export(self, soft_dice: float) -> bytes:
        """Pack the averaged weights, with the model's card, as a safetensors file's content."""
        weights = {
            name.removeprefix(AVERAGE_PREFIX): value
            for name, value in parameters_of(self._average).items()
        }
        metadata = {CARD_KEY: self.card.to_json(), "soft_dice": repr(soft_dice)}
        return pack_weights(weights, metadata)

    def take_back(self, path: Path) -> None:
        """Predict by weights that :meth:`export` packed, from here on.

        Raises
        ------
        UserError
            If they can't be read or are of another network.
        """
        weights, _ = load_weights(path)
        named = {AVERAGE_PREFIX + name: value for name, value in weights.items()}
        put_weights(self._average, named, path)

    def fingerprint(self) -> str:
        """Compute the SHA-256 of the trained weights; all devices of a run have the same."""
        digest = hashlib.sha256()
        for parameter in self._network.trainable_params():
            digest.update(parameter.asnumpy().tobytes())
        return digest.hexdigest()


def read_progress(path: Path) -> TrainingProgress:
    """Read how far the run had come at a :meth:`Learner.checkpoint`.

    Raises
    ------
    UserError
        If it is not a checkpoint of a run.
    """
    metadata = read_metadata(path)
    try:
        return TrainingProgress(*(int(metadata[name]) for name in TrainingProgress._fields))
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{path} does not say how far its run had come.",
            "Start a new run from its weights.",
        ) from error
