"""The network that learns, its average that is validated, and how both are saved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor

from training.config import TrainingConfig
from training.devices.placement import Device
from training.errors import UserError
from training.label_classes import NO_CLASSES
from training.learning.batches import Batch, TrainingProgress
from training.learning.checkpoints import parameters_of, put_weights
from training.learning.class_head import begin_head
from training.learning.inference import Inference
from training.learning.precision import set_precision
from training.learning.step import (
    TrainStep,
    WeightAverage,
    averaging_share,
    build_optimizer,
    cool_down,
    learning_rates,
)
from training.learning.step_outcome import StepOutcome
from training.model.model_card import ModelCard
from training.model.saved_model import AVERAGE_PREFIX, CARD_KEY
from training.model.weight_files import Weights, load_weights, pack_weights, read_metadata
from training.networks.membrane_network import build_loss, build_network
from training.presets.registry import find_preset

Pack = Callable[[], bytes]  # makes the content of a file, in any thread
# Steps between moves of the averaged weights. On an NPU a move is some two hundred small kernels.
AVERAGING_STEPS = {"CPU": 1, "Ascend": 4}


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
    has_new_head : bool
        Whether the weights that it starts from were of other classes.
    """

    def __init__(
        self, config: TrainingConfig, card: ModelCard, device: Device, total_steps: int
    ) -> None:
        self.card = card
        self._config = config
        self.rates = learning_rates(config, total_steps)
        outputs = card.label_classes.outputs
        self._network = build_network(config.preset, outputs)
        self._network.set_train()
        self._average = build_network(config.preset, outputs)
        self._average.update_parameters_name(AVERAGE_PREFIX)
        for network in (self._network, self._average):
            set_precision(network, config, device)
        self._optimizer = build_optimizer(self._network, config, self.rates)
        self._cells = (self._network, self._optimizer, self._average)
        self._step = TrainStep(
            build_loss(self._network, config.preset, outputs),
            self._optimizer,
            config.FixedLossScaleManager,
            device.world_size,
        )
        self._follow = WeightAverage(self._network, self._average)
        self.inference = Inference(self._average, card)
        self._follow(Tensor(1.0, mindspore.float32))
        self.has_new_head = False
        self._averaging_steps = AVERAGING_STEPS[device.target]
        self._step_now = self._step_averaged = 0

    def step(self, step: int, batch: Batch, stop: bool, has_converged: bool) -> StepOutcome:
        """Train on one batch.

        Parameters
        ----------
        step : int
            Its number, from 1.
        batch : Batch
        stop : bool
            Whether this process was asked to stop.
        has_converged : bool
            Whether this process finds that the run no longer improves.
        """
        votes = Tensor([float(stop), float(has_converged)], mindspore.float32)
        loss, overflows, *shares = self._step(*map(Tensor, batch), votes).asnumpy()
        is_stopped, is_converged = (bool(share > 0) for share in shares)
        self._step_now = step
        if step - self._step_averaged >= self._averaging_steps and self._config.average_weights:
            self._move_average()
        return StepOutcome(float(loss), is_stopped, is_converged, bool(overflows > 0))

    def cool_down(self, step: int) -> int:
        """Let the rate fall from a step on, and return the steps that the run has now."""
        usual = self.rates
        self.rates = cool_down(usual, step)
        left_out = len(usual) - len(self.rates)  # the compiled optimizer's array keeps its length
        padded = np.pad(self.rates, (0, left_out), mode="edge")
        self._optimizer.parameters_dict()["learning_rate"].set_data(Tensor(padded))
        return len(self.rates)

    def settle(self) -> None:
        """Bring the average up to date before a validation."""
        if not self._config.average_weights:
            self._follow(Tensor(1.0, mindspore.float32))
        elif self._step_averaged < self._step_now:
            self._move_average()

    def _move_average(self) -> None:
        share = averaging_share(self._step_averaged, self._step_now)
        self._follow(Tensor(share, mindspore.float32))
        self._step_averaged = self._step_now

    def start_from(self, path: Path) -> None:
        """Take the weights of a new run from a checkpoint, whoever saved it.

        Where that tells apart something else, its last layer is begun again.

        Raises
        ------
        UserError
            If it can't be read or is of another network.
        """
        weights, metadata = load_weights(path)
        former = CARD_KEY in metadata and ModelCard.from_json(metadata[CARD_KEY], str(path))
        classes = former.label_classes if former else NO_CLASSES
        if classes.names != self.card.label_classes.names:
            fresh = parameters_of(self._network)
            preset = find_preset(self._config.preset)
            weights |= begin_head(preset, weights, fresh, classes, self.card.label_classes)
            self.has_new_head = True
        put_weights(self._network, weights, path)
        self._follow(Tensor(1.0, mindspore.float32))
        self._note_learned(metadata, path)

    def checkpoint(self, progress: TrainingProgress) -> Pack:
        """Copy the state of the training for :meth:`resume_from` and :func:`read_progress`."""
        state: Weights = {}
        for cell in self._cells:
            state |= parameters_of(cell)
        metadata = {name: str(value) for name, value in progress._asdict().items()}
        metadata[CARD_KEY] = self.card.to_json()
        return partial(pack_weights, state, metadata)

    def resume_from(self, path: Path) -> None:
        """Take up a run from a :meth:`checkpoint`."""
        state, metadata = load_weights(path)
        state["learning_rate"] = self.rates  # another number of devices has its own schedule
        for cell in self._cells:
            put_weights(cell, state, path)
        self._step_now = self._step_averaged = read_progress(path).steps
        self._note_learned(metadata, path)

    def _note_learned(self, metadata: Mapping[str, str], path: Path) -> None:
        """Note in the card what the weights have seen before this run, or before its break."""
        if CARD_KEY in metadata:
            former = ModelCard.from_json(metadata[CARD_KEY], str(path))
            self.card = self.card.inherit_slices(former)

    def export(self, soft_dice: float) -> Pack:
        """Copy the averaged weights, with the model's card, for a safetensors file."""
        weights = {
            name.removeprefix(AVERAGE_PREFIX): value
            for name, value in parameters_of(self._average).items()
        }
        metadata = {CARD_KEY: self.card.to_json(), "soft_dice": repr(soft_dice)}
        return partial(pack_weights, weights, metadata)

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
