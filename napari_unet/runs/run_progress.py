"""A run's state as the window shows it: curves, figures and texts. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.launchers.launcher import Standing
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_titles import read_title
from training.config import TrainingConfig
from training.console import format_duration
from training.errors import UserError
from training.files.untrusted_files import open_regular
from training.label_classes import NO_CLASSES, LabelClasses
from training.runs.events import Started
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, RunStatus

_MOST_PIXELS = 2**26
_PACE_STEPS = 25
_FIGURES = ("Epoch", "Step", "Loss", "Images/s", "Dice", "Best", "Device")


@dataclass(frozen=True)
class ClassCurve:
    """The Dice of a class over the steps.

    Parameters
    ----------
    name, color : str
        The class's.
    steps, dice : arrays (M,) of float
        One entry a validation, or a few of them.
    """

    name: str
    color: str
    steps: NDArray[np.float64]
    dice: NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """What is plotted over the steps.

    Parameters
    ----------
    steps, loss, smoothed_loss : arrays (N,) of float
        One entry a step; where a run has more steps than a screen has columns, the lowest
        and the highest loss of equally many steps.
    evaluated_steps, dice : arrays (M,) of float
        Dice of membrane pixels, or the mean of the classes', mean over the validation slices, one
        entry a validation, or a few of them.
    best : int or None
        Index of the validation whose model is kept.
    initial_dice : float or None
        Dice of the model that the run began from; None for fresh weights.
    classes : tuple of ClassCurve
        Empty: membrane and inside.
    """

    steps: NDArray[np.float64]
    loss: NDArray[np.float64]
    smoothed_loss: NDArray[np.float64]
    evaluated_steps: NDArray[np.float64]
    dice: NDArray[np.float64]
    best: int | None
    initial_dice: float | None
    classes: tuple[ClassCurve, ...] = ()

    @classmethod
    def of(cls, state: RunState, classes: LabelClasses = NO_CLASSES) -> Curves:
        """The curves of a run so far, and of the classes that it tells apart."""
        loss = state.loss
        smoothed = trailing_mean(loss.means, _smoothing_width(len(loss)))
        steps, extremes = loss.steps, loss.means
        if loss.stride > 1:
            steps, smoothed = np.repeat(steps, 2), np.repeat(smoothed, 2)
            extremes = np.column_stack([loss.lowest, loss.highest]).ravel()
        dice, best = state.dice.means, None
        if state.best_evaluation is not None and len(dice):
            place = np.searchsorted(state.dice.steps, state.best_evaluation["step"])
            best = min(int(place), len(dice) - 1)
            dice[best] = state.best_dice
        return cls(
            steps=steps,
            loss=extremes,
            smoothed_loss=smoothed,
            evaluated_steps=state.dice.steps,
            dice=dice,
            best=best,
            initial_dice=state.initial_dice,
            classes=tuple(
                ClassCurve(member.name, member.color, curve.steps, curve.means)
                for channel in classes.things
                for member in [classes.members[channel]]
                if (curve := state.class_dice.get(member.name)) is not None
            ),
        )


@dataclass(frozen=True)
class PreviewImage:
    """Probability of a slice after a step.

    Parameters
    ----------
    probability : array (Y, X) of uint8
        255 = surely membrane.
    slice : int
        Index in the stack.
    step : int
        After which it was predicted; 0: by the weights that the run began from.
    volume : str
        Name of the one of several volumes that the slice is of; else empty.
    """

    probability: NDArray[np.uint8]
    slice: int
    step: int
    volume: str = ""

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it can be that of a slice of a stack (Z, Y, X)."""
        return shape[-2:] == self.probability.shape and self.slice < shape[0]


@dataclass(frozen=True)
class RunProgress:
    """A run at one moment.

    Parameters
    ----------
    name, title : str
        Name of the run's folder, and what a person calls it.
    status : str
        A ``RunStatus``.
    is_running : bool
        Whether its process is alive.
    state : RunState
        What its events tell.
    curves : Curves
        To plot.
    preview : PreviewImage or None
        The newest, if there is one.
    standing : Standing
        In the queue of its place, if that has one.
    """

    name: str
    title: str
    status: RunStatus
    is_running: bool
    state: RunState
    curves: Curves
    preview: PreviewImage | None
    standing: Standing = field(default_factory=Standing)

    @property
    def fraction(self) -> float:
        """Share of the steps that are done, 0..1."""
        return self.state.step / self.state.total_steps if self.state.total_steps else 0.0

    @property
    def headline(self) -> str:
        """What is going on, in a few words."""
        if self.is_running and self.standing.is_waiting:
            return self.standing.text
        if self.is_running and self.state.status == "waiting":
            return "Starting: importing and compiling"
        if self.status == "running":
            left = self.state.seconds_left
            what = "Training" if self.state.converged is None else "No longer improves"
            return what if left is None else f"{what}, {format_duration(left)} left"
        return self.status.capitalize()

    @property
    def validation(self) -> str:
        """What is held out, in a sentence; empty before the start."""
        return self.state.started.get("validation", "") if self.state.started else ""

    @property
    def preview_slice(self) -> int | None:
        """Index in the stack of the slice that previews show; None before the start."""
        return self.state.started.get("preview_slice") if self.state.started else None

    @property
    def best_figure(self) -> str:
        """The Dice of the best model, to go after a status; empty before the first validation."""
        dice = self.state.best_dice
        return "" if dice is None else f": Dice {dice:.4f}"

    @property
    def soft_dice(self) -> float | None:
        """Of the newest validation: the figure of membrane and inside together."""
        evaluations = self.state.evaluations
        return evaluations[-1]["mean"]["soft_dice"] if evaluations else None

    def figures(self) -> dict[str, str]:
        """Figures by their titles, as texts."""
        state = self.state
        figures = dict.fromkeys(_FIGURES, "")
        if state.started is not None:
            figures["Epoch"] = f"{state.epoch} of {state.started.get('total_epochs', '?')}"
            figures["Step"] = f"{state.step} of {state.total_steps}"
            figures["Device"] = _device(state.started)
        if state.steps:
            figures["Loss"] = f"{_recent_loss(state):.4f}"
            figures["Images/s"] = f"{_recent_pace(state):.1f}"
        if state.evaluations and state.best_evaluation is not None:
            mean, best = state.evaluations[-1]["mean"], state.best_evaluation
            figures["Dice"] = f"{mean['dice']:.4f}"
            figures["Best"] = f"{state.best_dice:.4f}, epoch {best['epoch']}"
        return figures


class ProgressReader:
    """Makes a :class:`RunProgress` of what a follower read; call it in a thread."""

    def __init__(self, follower: RunFollower) -> None:
        self._follower = follower
        self._preview: PreviewImage | None = None

    def read(self) -> RunProgress:
        follower = self._follower
        config = _config(follower.run)
        classes = NO_CLASSES if config is None else config.label_classes
        return RunProgress(
            name=follower.run.name,
            title=read_title(follower.run, config),
            status=follower.status,
            is_running=follower.is_running,
            state=follower.state,
            curves=Curves.of(follower.state, classes),
            preview=self._read_preview(),
            standing=follower.standing,
        )

    def _read_preview(self) -> PreviewImage | None:
        event = self._follower.state.preview
        if event is not None and (self._preview is None or self._preview.step != event["step"]):
            path = self._follower.run.path / event["path"]
            pixels = _read_png(path)
            if pixels is not None:
                about = event["slice"], event["step"], event.get("volume", "")
                self._preview = PreviewImage(pixels, *about)
        return self._preview


def _config(run: RunDirectory) -> TrainingConfig | None:
    try:
        return run.read_config()
    except UserError:
        return None


def interruption(run: RunDirectory) -> str:
    """Describe a run whose process ended without telling why."""
    return (
        f"The process of '{run.name}' ended without reporting why: it was killed, or the memory "
        f"ran out. It can go on from its newest checkpoint. Its log is {run.log}."
    )


def failure(run: RunDirectory, state: RunState) -> UserError:
    """Say why a run failed, and where to read more."""
    log = f"The log is {run.log}."
    if state.failure is None:
        return UserError(f"{run.name} failed.", log)
    return UserError(state.failure["message"], f"{state.failure['remedy']} {log}".lstrip())


def trailing_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Take the mean of each value (N,) of float64 and those before it, up to ``width`` in all."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _smoothing_width(count: int) -> int:
    return int(np.clip(count / 15, 4, 40))


def _recent_loss(state: RunState) -> float:
    newest = state.steps[-_smoothing_width(state.loss.count) :]
    return float(np.mean([step["loss"] for step in newest]))


def _recent_pace(state: RunState) -> float:
    return float(np.median([step["images_per_second"] for step in state.steps[-_PACE_STEPS:]]))


def _device(started: Started) -> str:
    count, device = started.get("world_size", 1), started.get("device", "")
    return f"{count} x {device}" if count > 1 else device


def _read_png(path: Path) -> NDArray[np.uint8] | None:
    """An 8-bit grey picture; None until it is there: a server's comes after its event."""
    from PIL import Image

    try:
        with open_regular(path) as file, Image.open(file, formats=["PNG"]) as picture:
            if picture.mode != "L" or math.prod(picture.size) > _MOST_PIXELS:
                return None
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # PIL raises these for a damaged one
