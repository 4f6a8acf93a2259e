"""A training from its start to its end, in phases."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import mindspore
import numpy as np

from training import __version__
from training.config import TrainingConfig
from training.devices.placement import Device
from training.errors import UserError
from training.learning.batches import Batches, Done
from training.learning.learner import Learner, read_done
from training.learning.report import Report
from training.learning.stop_request import StopRequest
from training.learning.validator import Keeper
from training.model.model_card import ModelCard, describe_model
from training.runs.run_directory import RunDirectory
from training.stacks.training_set import Data, load_data

USUAL_VALIDATIONS = 24  # in a run
LONGEST_INTERVAL = 10  # epochs: however long a run, one sees how it goes


def train(run: RunDirectory, config: TrainingConfig, device: Device, stop: StopRequest) -> None:
    """Train, or go on with, the run in a directory, to its end or until asked to stop.

    Every process of a run of several devices calls this; the one of rank 0 writes.

    Raises
    ------
    UserError
        If the data or a checkpoint can't be used, or the loss becomes infinite.
    """
    data = load_data(config)
    card = describe_model(config, data)
    checkpoint = next(reversed(run.list_checkpoints()), None)
    done = Done() if checkpoint is None else read_done(checkpoint)
    batches = make_batches(data, card, config, device, done)
    learner = Learner(config, card, device, batches.total_steps)
    if checkpoint is not None:
        learner.resume_from(checkpoint)
    elif config.resume:
        learner.start_from(Path(config.resume_ckpt))
    report = Report(run, device)
    keeper = Keeper(learner, run, config, data, report)
    initial = keeper.measure_initial(done.steps) if report.is_writing else None
    announce(report, config, data, batches, done.steps, initial)

    interval = validation_interval(batches, config)
    step, is_stopped = done.steps, False
    for step, batch in batches.from_step(done.steps + 1):
        loss, is_stopped = learner.step(step, batch, stop.is_requested())
        if not math.isfinite(loss):
            raise UserError(
                f"The loss became {loss} at step {step}.",
                "Start a new run with a lower learning rate.",
            )
        epoch, rate = batches.epoch(step), float(learner.rates[step - 1])
        report.step(step, epoch, loss, batches.samples_per_step, rate)
        if report.is_writing and (is_stopped or is_validation_due(step, batches, interval)):
            keeper.validate_and_save(Done(step, batches.samples_after(step)), epoch)
        if is_stopped:
            break

    if device.world_size > 1:
        print(f"The weights' SHA-256 is {learner.fingerprint()}", flush=True)
    if report.is_writing:
        keeper.measure_neurons()
        keeper.finish()
    if initial is not None:
        report.compared(keeper.compare(initial))
    report.ended("stopped" if is_stopped else "finished", step)
    if report.is_writing:
        run.take_back_stop_request()


def make_batches(
    data: Data, card: ModelCard, config: TrainingConfig, device: Device, done: Done
) -> Batches:
    """The share of this process in the training samples."""
    return Batches(
        data.images[data.train_slices],
        data.membrane[data.train_slices],
        None if data.weights is None else data.weights[data.train_slices],
        card,
        config,
        device.rank,
        device.world_size,
        done,
    )


def announce(
    report: Report,
    config: TrainingConfig,
    data: Data,
    batches: Batches,
    done: int,
    initial: dict[str, Any] | None,
) -> None:
    """Tell the run's totals, and the figures of the model that it begins from, if any."""
    versions = {
        "napari-unet-mindspore": __version__,
        "mindspore": mindspore.__version__,
        "numpy": np.__version__,
    }
    report.started(
        versions,
        preset=config.preset,
        first_step=done,
        total_steps=batches.total_steps,
        steps_per_epoch=math.ceil(batches.samples_per_epoch / batches.samples_per_step),
        train_slices=data.train_slices,
        valid_slices=data.valid_slices,
        validation=data.sentence,
        **({} if initial is None else {"initial_model": initial}),
    )
    print(data.sentence, flush=True)


def validation_interval(batches: Batches, config: TrainingConfig) -> int:
    """Epochs between validations."""
    if config.eval_interval:
        return config.eval_interval
    epochs = batches.epochs_finished(batches.total_steps)
    return min(max(1, round(epochs / USUAL_VALIDATIONS)), LONGEST_INTERVAL)


def is_validation_due(step: int, batches: Batches, interval: int) -> bool:
    """After the last step, and where an interval of epochs ends."""
    before, after = (batches.epochs_finished(one) // interval for one in (step - 1, step))
    return after > before or step == batches.total_steps
