"""A training from its start to its end, in phases."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import mindspore
import numpy as np

from training import __version__
from training.config import NO_WEIGHTS, STARTER, TrainingConfig
from training.console import say
from training.dataset.found_meanings import read_meanings
from training.dataset.training_set import TrainingSet, load_training_set
from training.devices.placement import Device
from training.errors import UserError
from training.learning.batches import START, Batch, Batches, TrainingProgress
from training.learning.learner import Learner, read_progress
from training.learning.report import Report
from training.learning.step import wait_for_all
from training.learning.stop_request import StopRequest
from training.learning.validation_schedule import ValidationSchedule
from training.learning.validator import Validation, Validator
from training.model.card_of_training import describe_model
from training.model.saved_model import read_weights_card, starting_weights
from training.runs.events import InitialModel
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

MANY_SKIPPED = 10  # updates: worth a warning, and again at each doubling


def train(run: RunDirectory, config: TrainingConfig, device: Device, stop: StopRequest) -> None:
    """Train the run in a directory, or go on with it, to its end or until asked to stop.

    Every process of a run of several devices calls this; the one of rank 0 writes.

    Raises
    ------
    UserError
        If the data or a checkpoint can't be used, or the loss becomes infinite.
    """
    training = Training(run, config, device)
    try:
        training.begin()
        is_stopped = False
        for step, batch in training.remaining_batches():
            is_stopped = training.learn(step, batch, stop.is_requested())
            if is_stopped or training.is_validation_due(step):
                training.validate(step)
            if is_stopped:
                break
        training.conclude(is_stopped)
    finally:
        training.close()


class Training:
    """One process's part of a run, phase by phase, as :func:`train` calls them.

    Making it prepares the run: its data, its network with the weights of the newest checkpoint,
    if there is one, and what writes its files.
    """

    def __init__(self, run: RunDirectory, config: TrainingConfig, device: Device) -> None:
        self._run, self._config, self._device = run, config, device
        self._data = load_training_set(config, read_meanings(run.label_meanings))
        card = describe_model(config, self._data)
        checkpoint = next(reversed(run.list_checkpoints()), None)
        if checkpoint is not None:
            self._check_data(checkpoint)
        progress = START if checkpoint is None else read_progress(checkpoint)
        self._batches = Batches(self._data, card, config, device.place, progress)
        self._learner = Learner(config, card, device, self._batches.total_steps)
        if checkpoint is not None:
            self._learner.resume_from(checkpoint)
        elif (weights := starting_weights(config.weights)) is not None:
            self._learner.start_from(weights)
        self._converged = progress.converged
        if self._converged:
            self._batches.total_steps = self._learner.cool_down(self._converged)
        self._report = Report(run, device)
        self._validator = Validator(
            self._learner, run, config, self._data, self._report, progress.stale
        )
        self._schedule = ValidationSchedule(self._batches, self._data, config, device.target)
        self._step = progress.steps
        self._skipped, self._next_warning = 0, MANY_SKIPPED
        self._initial: InitialModel | None = None

    def _check_data(self, checkpoint: Path) -> None:
        """Refuse to go on with other pixels or labels than those that a checkpoint comes from."""
        known = read_weights_card(checkpoint).volumes
        for volume, former in zip(self._data.volumes, known, strict=False):
            if former.labels_fingerprint:  # those of the first versions have none
                images, labels = volume.fingerprint, volume.labels_fingerprint
                former.check_same_data(self._run.path, (volume.name, images), (volume.name, labels))

    def begin(self) -> None:
        """Report the run's totals; validate the weights that it begins from, if any, as step 0."""
        measured = None
        if self._report.is_writing and self._config.weights != NO_WEIGHTS:
            measured = self._measure_initial()
        versions = {
            "napari-unet-mindspore": __version__,
            "mindspore": mindspore.__version__,
            "numpy": np.__version__,
        }
        batches = self._batches
        self._report.start(
            versions,
            preset=self._config.preset,
            first_step=self._step,
            total_steps=batches.total_steps,
            total_epochs=batches.epoch(batches.total_steps),
            preview_slice=self._validator.preview_slice,
            train_slices=self._data.train_slices,
            valid_slices=self._data.valid_slices,
            validation=self._data.validation,
            **_lengths(self._data),
            **({} if self._initial is None else {"initial_model": self._initial}),
        )
        for sentence in (*self._data.sentences, self._data.validation):
            say(sentence)
        if self._data.warning and not self._step:
            self._report.warn(self._data.warning)
        if measured is not None:
            self._validator.keep(*measured, START, epoch=0)
        self._schedule.begin(self._step)

    def _measure_initial(self) -> Validation | None:
        """Validate the weights that the run begins from; None where it goes on after a step."""
        if self._step:
            self._initial = load_state(self._run.events).initial_model
            return None
        if self._learner.has_new_head:  # it is no model yet
            return None
        measured = self._validator.measure()
        self._initial = {"path": self._config.weights, "mean": measured.evaluation.mean}
        return measured

    def remaining_batches(self) -> Iterator[tuple[int, Batch]]:
        """Give the steps that are left, with their batches."""
        return self._batches.from_step(self._step + 1)

    def learn(self, step: int, batch: Batch, stop: bool) -> bool:
        """Train on a batch, and return whether any process of the run was asked to stop.

        Raises
        ------
        UserError
            If the loss is not finite.
        """
        if self._report.is_writing:
            self._validator.report_written()
        start = time.monotonic()
        has_converged = not self._converged and self._validator.has_converged
        outcome = self._learner.step(step, batch, stop, has_converged)
        fps = len(batch.images) / max(time.monotonic() - start, 1e-6)
        if not math.isfinite(outcome.loss):
            raise UserError(
                f"The loss became {outcome.loss} at step {step}.",
                "Start a new run with a lower learning rate, or with precision float32.",
            )
        self._step = step
        rate = float(self._learner.rates[step - 1])
        epoch, samples = self._batches.epoch(step), self._batches.samples_per_step
        self._report.step(step, epoch, outcome, samples, fps, rate)
        if outcome.is_skipped:
            self._count_skipped()
        if outcome.has_converged:
            self._converged = step
            self._batches.total_steps = self._learner.cool_down(step)
            self._report.converged(step, self._batches.total_steps)
        return outcome.is_stopped

    def _count_skipped(self) -> None:
        self._skipped += 1
        if self._skipped < self._next_warning:
            return
        self._next_warning *= 2
        self._report.warn(
            f"{self._skipped} updates so far were skipped, because a gradient was not finite: the "
            f"loss scale of {self._config.FixedLossScaleManager:g} may be too high. Start a new "
            "run with a lower FixedLossScaleManager and loss_scale, or with precision float32."
        )

    def is_validation_due(self, step: int) -> bool:
        """Return whether to validate after a step."""
        return self._schedule.is_due(step)

    def validate(self, step: int) -> None:
        """Validate, and write what is worth keeping, in the process that writes."""
        if self._report.is_writing:
            samples, stale = self._batches.samples_after(step), self._validator.stale
            progress = TrainingProgress(step, samples, stale, self._converged)
            is_early = self._schedule.is_early(step)
            self._validator.validate_and_save(progress, self._batches.epoch(step), is_early)
            self._schedule.note_end()

    def close(self) -> None:
        """Wait for what is being written, whatever the end."""
        self._validator.close()

    def conclude(self, is_stopped: bool) -> None:
        """Write what is left to write, and report the run's end."""
        if self._device.world_size > 1:
            say(f"The weights' SHA-256 is {self._learner.fingerprint()}")
        if self._report.is_writing:
            self._validator.measure_neurons()
            self._validator.finish()
        if self._device.world_size > 1:
            wait_for_all()
        if self._initial is not None and self._config.weights != STARTER:
            self._report.comparison(self._validator.compare(self._initial))
        self._report.end("stopped" if is_stopped else "finished", self._step, self._skipped)
        if self._report.is_writing:
            self._run.withdraw_stop_request()


def _lengths(data: TrainingSet) -> dict[str, dict[str, int]]:
    """Give the numbers of slices of several volumes, for the event of the start."""
    if len(data.volumes) == 1:
        return {}
    return {"volumes": {volume.name: volume.shape[0] for volume in data.volumes}}
