"""When a run validates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import takewhile

from training.config import TrainingConfig
from training.dataset.training_set import TrainingSet
from training.learning.batches import Batches

USUAL_VALIDATIONS = 24  # in a run
# However long a run on a CPU, a person sees how it goes: the longest interval.
LONGEST_EPOCHS, LONGEST_STEPS = 10, 100
MOST_VALIDATIONS = 100  # in a run on a CPU, however many epochs it has
FIRST_STEPS = 8  # before the first validation of a run
TRAINING_COST = 3  # forward, and backward to the activations and to the weights; of a prediction's
SECONDS_APART = 60.0  # at least, on an NPU: the other ones wait while the first validates


class ValidationSchedule:
    """Says after which steps a run validates and keeps a checkpoint.

    At the end of an epoch, about 24 times a run; on a CPU at least every 10 epochs or 100 steps,
    whichever is longer, but not more than 100 times a run. Before the first of these it validates
    after 8, 16, 32, ... steps, so that a person soon sees how it goes; but not before the steps
    have cost as much as a validation does. On an NPU it never validates within a minute of the
    last time. Where a person has chosen ``eval_interval``, that alone decides. On a CPU only steps
    count, so that a resumed run validates when it would have without the break.

    Parameters
    ----------
    batches : Batches
    data : TrainingSet
        What is trained and validated on.
    config : TrainingConfig
    target : str
        ``CPU`` or ``Ascend``.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        batches: Batches,
        data: TrainingSet,
        config: TrainingConfig,
        target: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batches = batches
        self._interval = config.eval_interval or _usual_interval(batches, target)
        self._early_steps = [] if config.eval_interval else self._list_early_steps(data, config)
        is_timed = target != "CPU" and not config.eval_interval
        self._seconds_apart = SECONDS_APART if is_timed else 0.0
        self._clock = clock
        self._last_time = clock()
        self._marks = 0

    def begin(self, step: int) -> None:
        """Note that the run goes on after a step; the next interval is counted from there."""
        self._marks = self._marks_passed(step)
        self._last_time = self._clock()

    def is_due(self, step: int) -> bool:
        """Return whether to validate after a step; the answer True is taken as done."""
        marks = self._marks_passed(step)
        is_late = self._clock() - self._last_time >= self._seconds_apart
        if step < self._batches.total_steps and not (marks > self._marks and is_late):
            return False
        self._marks = marks
        return True

    def is_early(self, step: int) -> bool:
        """Return whether a step is before the first interval is over."""
        return self._batches.epochs_finished(step) < self._interval

    def note_end(self) -> None:
        """Note that a validation has ended; the next one keeps its distance from now."""
        self._last_time = self._clock()

    def _marks_passed(self, step: int) -> int:
        early = sum(early_step <= step for early_step in self._early_steps)
        return early + self._batches.epochs_finished(step) // self._interval

    def _list_early_steps(self, data: TrainingSet, config: TrainingConfig) -> list[int]:
        """List the steps after which to validate before the first interval is over."""
        trained, validated = (
            sum(data.images[number].size for number in numbers)
            for numbers in (data.train_slices, data.valid_slices)
        )
        # An epoch covers the training slices once; one process alone validates.
        samples = self._batches.samples_per_epoch * validated / trained / TRAINING_COST
        least = samples / config.batchsize
        interval = self._interval * self._batches.samples_per_epoch
        doubled = (FIRST_STEPS * 2**place for place in range(32))
        steps = takewhile(lambda step: step * self._batches.samples_per_step < interval, doubled)
        return [step for step in steps if step >= least]


def _usual_interval(batches: Batches, target: str) -> int:
    """Return the number of epochs between validations."""
    epochs = batches.epochs_finished(batches.total_steps)
    interval = max(1, round(epochs / USUAL_VALIDATIONS))
    if target != "CPU":
        return interval
    longest_steps = math.ceil(LONGEST_STEPS * batches.samples_per_step / batches.samples_per_epoch)
    longest = max(LONGEST_EPOCHS, longest_steps, math.ceil(epochs / MOST_VALIDATIONS))
    return min(interval, longest)
