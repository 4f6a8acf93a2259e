"""What a run reports while it goes on: the zoo's lines, and the events of the run directory."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

from training.console import format_duration, say, warn
from training.devices.placement import Device
from training.learning.step_outcome import StepOutcome
from training.metrics.evaluation_report import Evaluation, dice_line
from training.runs.event_log import EventLog
from training.runs.events import Comparison
from training.runs.run_directory import RunDirectory
from training.runs.run_state import comparison_line, volume_lines


class Report:
    """Prints on every rank; writes events on rank 0 alone."""

    def __init__(self, run: RunDirectory, device: Device) -> None:
        self._run = run
        self._device = device
        self._events = EventLog(run.events) if device.rank == 0 else None
        self._start = self._last_step = time.monotonic()
        self._first_step = self._total_steps = 0
        self._is_event_lost = False
        self._lock = threading.Lock()

    @property
    def is_writing(self) -> bool:
        """Whether this process writes the run directory."""
        return self._events is not None

    def event(self, kind: str, **values: Any) -> None:
        """Write an event; where the disk is full, as soon as it has room."""
        if self._events is None:
            return
        with self._lock:  # files are written, and warned of, in another thread
            try:
                self._events.append(kind, **values)
            except OSError as error:
                if not self._is_event_lost:
                    say(f"Events can't be written: {error}.", to_stderr=True)
                self._is_event_lost = True
            else:
                self._is_event_lost = False

    def warn(self, message: str) -> None:
        """Report what is wrong but doesn't end the run."""
        warn(message)
        self.event("warning", message=message)

    def start(
        self, versions: dict[str, str], first_step: int, total_steps: int, **totals: Any
    ) -> None:
        """Report the run's totals, and begin to measure its pace."""
        self.event(
            "started",
            device=self._device.label,
            world_size=self._device.world_size,
            versions=versions,
            pid=os.getpid(),
            hostname=socket.gethostname(),
            first_step=first_step,
            total_steps=total_steps,
            **totals,
        )
        say(f"dataset length is: {total_steps}")
        say("============== Starting Training ==============")
        self._first_step, self._total_steps = first_step, total_steps
        self._start = self._last_step = time.monotonic()

    def step(
        self, step: int, epoch: int, outcome: StepOutcome, images: int, fps: float, rate: float
    ) -> None:
        """Report a step.

        Parameters
        ----------
        step, epoch : int
        outcome : StepOutcome
        images : int
            Over all devices. The event's ``images_per_second`` is of these, from the end of one
            step to that of the next.
        fps : float
            The zoo's figure (``src/utils.py``): images of this process, without the wait for them.
        rate : float
            The learning rate.
        """
        now = time.monotonic()
        pace = images / max(now - self._last_step, 1e-6)
        self._last_step = now
        say(f"step: {step}, loss is {outcome.loss:.7g}, fps is {fps:.2f}")
        if outcome.is_skipped:
            say(f"step: {step} is skipped: a gradient is not finite.")
        self.event(
            "step",
            step=step,
            epoch=epoch,
            loss=outcome.loss,
            images_per_second=pace,
            lr=rate,
            **({"is_skipped": True} if outcome.is_skipped else {}),
        )

    def validation(self, step: int, epoch: int, evaluation: Evaluation, best: float) -> None:
        """Report a validation. Its time is left out of the next step's pace.

        Step 0 is that of the weights that the run begins from.
        """
        mean = evaluation.mean
        of_volumes = {"volumes": evaluation.volumes} if evaluation.volumes else {}
        self.event(
            "evaluated", step=step, epoch=epoch, slices=evaluation.slices, mean=mean, **of_volumes
        )
        self._last_step = time.monotonic()
        left = ""
        if step > self._first_step:
            pace = (self._last_step - self._start) / (step - self._first_step)
            left = f", {format_duration(pace * (self._total_steps - step))} left"
        say(dice_line(mean))
        say(
            f"epoch: {epoch}, step {step} of {self._total_steps}, "
            f"soft Dice {mean['soft_dice']:.4f} (best {best:.4f}), Dice {mean['dice']:.4f}{left}",
        )
        for line in volume_lines(evaluation.volumes):
            say(line)

    def converged(self, step: int, total_steps: int) -> None:
        """Report that the run no longer improves, and after which step it ends therefore."""
        self._total_steps = total_steps
        say(f"step: {step}, the model no longer improves: the run ends after step {total_steps}.")
        self.event("converged", step=step, total_steps=total_steps)

    def comparison(self, comparison: Comparison) -> None:
        """Report how the run's model compares with the one that it began from."""
        say(comparison_line(comparison))
        self.event("compared", **comparison)

    def end(self, kind: str, step: int, skipped: int = 0) -> None:
        """Report the end, ``finished`` or ``stopped``, and how many updates were skipped."""
        if skipped:
            say(f"{skipped} updates were skipped, because a gradient was not finite.")
        say("============== End Training ==============")
        say(f"The run is {kind}.")
        seconds = time.monotonic() - self._start
        self.event(
            kind, step=step, seconds=seconds, **({"skipped_steps": skipped} if skipped else {})
        )
        if self._events is not None:
            self._events.close()
