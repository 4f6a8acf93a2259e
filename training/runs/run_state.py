"""The state of a run: a fold of its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from training.label_classes import DICE_OF, MOST_CLASSES
from training.runs.event_reading import (
    KEPT_EVENTS,
    Losses,
    parse_progress,
    parse_summary,
    read_pieces,
)
from training.runs.events import (
    Compared,
    Comparison,
    Converged,
    Evaluated,
    Event,
    Failed,
    InitialModel,
    Preview,
    Started,
    Step,
)
from training.runs.thinned_curve import ThinnedCurve

Status = Literal["waiting", "running", "finished", "stopped", "failed"]
RunStatus = Status | Literal["interrupted", "unreadable"]


@dataclass(frozen=True)
class RunState:
    """A run as its events describe it so far.

    Lists hold the newest events, ``KEPT_EVENTS`` at most, in the order of their steps; the curves
    show the whole run.
    """

    status: Status = "waiting"
    started: Started | None = None
    started_time: float | None = None
    last_time: float | None = None
    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    best_evaluation: Evaluated | None = None
    converged: Converged | None = None
    preview: Preview | None = None
    warnings: list[str] = field(default_factory=list)
    comparison: Compared | None = None
    failure: Failed | None = None
    loss: ThinnedCurve = field(default_factory=ThinnedCurve)
    soft_dice: ThinnedCurve = field(default_factory=ThinnedCurve)
    dice: ThinnedCurve = field(default_factory=ThinnedCurve)
    class_dice: Mapping[str, ThinnedCurve] = field(default_factory=dict)
    """By the classes' names, as many as there may be."""

    @property
    def step(self) -> int:
        if self.steps:
            return self.steps[-1]["step"]
        return self.started["first_step"] if self.started else 0

    @property
    def epoch(self) -> int:
        return self.steps[-1]["epoch"] if self.steps else 0

    @property
    def total_steps(self) -> int:
        limit = self.converged or self.started
        return limit["total_steps"] if limit else 0

    @property
    def train_slices(self) -> list[int]:
        return self.started.get("train_slices", []) if self.started else []

    @property
    def valid_slices(self) -> list[int]:
        return self.started.get("valid_slices", []) if self.started else []

    @property
    def volumes(self) -> dict[str, int]:
        """Numbers of slices of the run's volumes, by name; empty where there is but one."""
        return self.started.get("volumes", {}) if self.started else {}

    @property
    def best_soft_dice(self) -> float | None:
        return _soft_dice(self.best_evaluation) if self.best_evaluation else None

    @property
    def best_dice(self) -> float | None:
        """Dice of the membrane pixels at the validation with the best soft Dice."""
        return self.best_evaluation["mean"]["dice"] if self.best_evaluation else None

    @property
    def initial_model(self) -> InitialModel | None:
        """The model that the run began from; None: fresh weights."""
        return self.started.get("initial_model") if self.started else None

    @property
    def initial_dice(self) -> float | None:
        """Dice of the initial model's membrane pixels on this run's held-out slices."""
        return self.initial_model["mean"]["dice"] if self.initial_model else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace since the last start, or None before there is one."""
        if self.status != "running" or self.started is None or self.last_time is None:
            return None
        done = self.step - self.started["first_step"]
        if done < 2:
            return None
        pace = (self.last_time - self.started["time"]) / done
        return pace * max(0, self.total_steps - self.step)


def fold(state: RunState, events: Iterable[Event | Losses]) -> RunState:
    """Compute the state after some more events. ``state`` itself is left as it was.

    A ``started`` event of a resumed run drops the steps after the checkpoint from which it goes
    on: they are trained again, and written again.
    """
    batch = _Batch()
    warnings = list(state.warnings)
    last_time, preview = state.last_time, state.preview
    for event in events:
        if isinstance(event, Losses):
            batch.numbers += event.steps
            batch.losses += event.values
            continue
        last_time = event["time"]
        match event["kind"]:
            case "step":
                batch.steps.append(event)
                batch.numbers.append(event["step"])
                batch.losses.append(event["loss"])
            case "evaluated":
                batch.evaluations.append(event)
            case "started":
                state = _rewind(batch.add_to(state), event["first_step"])
                batch = _Batch()
                is_first = state.started_time is None
                state = replace(
                    state,
                    status="running",
                    started=event,
                    started_time=event["time"] if is_first else state.started_time,
                    converged=None,
                    comparison=None,
                    failure=None,
                )
            case "preview":
                preview = event
            case "warning":
                warnings.append(event["message"])
            case "converged":
                state = replace(state, converged=event)
            case "compared":
                state = replace(state, comparison=event)
            case "finished" | "stopped" as ending:
                state = replace(state, status=ending)
            case "failed":
                state = replace(state, status="failed", failure=event)
    return replace(
        batch.add_to(state),
        last_time=last_time,
        preview=preview,
        warnings=warnings[-KEPT_EVENTS:],
    )


def read_state(path: Path, state: RunState, offset: int) -> tuple[RunState, int]:
    """Read on in a file of events.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    state : RunState
        What its first ``offset`` bytes say.

    Returns
    -------
    RunState, int
        The state after all that is there, and the offset to read on from next time.

    Raises
    ------
    UserError
        If it can't be read.
    """
    for piece in read_pieces(path, offset):
        newest = 1 if piece.is_old else KEPT_EVENTS
        state, offset = fold(state, parse_progress(piece.content, newest)), piece.end
    return state, offset


def read_summary(path: Path, state: RunState, offset: int) -> tuple[RunState, int]:
    """Read on as :func:`read_state` does, without the losses: of the steps only the last."""
    for piece in read_pieces(path, offset):
        state, offset = fold(state, parse_summary(piece.content)), piece.end
    return state, offset


def load_state(path: Path) -> RunState:
    """Read a whole file of events."""
    return read_state(path, RunState(), 0)[0]


@dataclass
class _Batch:
    """Steps and evaluations to add to a state at once; of old steps there are only the losses."""

    steps: list[Step] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)

    def add_to(self, state: RunState) -> RunState:
        if not self.numbers and not self.evaluations:
            return state
        best = [] if state.best_evaluation is None else [state.best_evaluation]
        evaluated = [event["step"] for event in self.evaluations]
        means = [event["mean"] for event in self.evaluations]
        return replace(
            state,
            steps=[*state.steps, *self.steps][-KEPT_EVENTS:],
            evaluations=[*state.evaluations, *self.evaluations][-KEPT_EVENTS:],
            best_evaluation=max([*best, *self.evaluations], key=_soft_dice, default=None),
            loss=state.loss.append(self.numbers, self.losses),
            soft_dice=state.soft_dice.append(evaluated, [mean["soft_dice"] for mean in means]),
            dice=state.dice.append(evaluated, [mean["dice"] for mean in means]),
            class_dice=_add_classes(state.class_dice, self.evaluations),
        )


def _add_classes(
    curves: Mapping[str, ThinnedCurve], evaluations: Iterable[Evaluated]
) -> dict[str, ThinnedCurve]:
    added: dict[str, tuple[list[int], list[float]]] = {}
    for event in evaluations:
        for name, figure in event["mean"].items():
            if name.startswith(DICE_OF):
                steps, dice = added.setdefault(name.removeprefix(DICE_OF), ([], []))
                steps.append(event["step"])
                dice.append(figure)
    names = [*dict.fromkeys([*curves, *added])][:MOST_CLASSES]
    return {
        name: curves.get(name, ThinnedCurve()).append(*added.get(name, ([], []))) for name in names
    }


def _rewind(state: RunState, step: int) -> RunState:
    """Go back to the state after a step; its best evaluation is the best of those still kept.

    What begins again from step 0 validates the weights that it begins from again.
    """
    step = step or -1
    best = state.best_evaluation
    evaluations = [event for event in state.evaluations if event["step"] <= step]
    if best is not None and best["step"] > step:
        best = max(evaluations, key=_soft_dice, default=None)
    return replace(
        state,
        steps=[event for event in state.steps if event["step"] <= step],
        evaluations=evaluations,
        best_evaluation=best,
        loss=state.loss.until(step),
        soft_dice=state.soft_dice.until(step),
        dice=state.dice.until(step),
        class_dice={name: curve.until(step) for name, curve in state.class_dice.items()},
    )


def _soft_dice(evaluation: Evaluated) -> float:
    return evaluation["mean"]["soft_dice"]


def run_status(state: RunState, is_running: bool) -> RunStatus:
    """Decide what became of a run: events alone can't show that its process was killed."""
    if state.status in ("waiting", "running") and not is_running:
        return "interrupted"
    return state.status


def can_resume(status: RunStatus) -> bool:
    """Say whether a run in this state has ended before its time."""
    return status in ("stopped", "failed", "interrupted")


def comparison_line(comparison: Comparison) -> str:
    """Say how a run's model compares with the one that it began from."""
    before, after = comparison["before"]["dice"], comparison["after"]["dice"]
    verdict = "better" if comparison["is_better"] else "not better"
    return (
        f"Dice of what was held out: {after:.4f}, and {before:.4f} by the model that it "
        f"began from. The new one is {verdict}."
    )


def volume_lines(volumes: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Say what a validation found for each of several volumes, whose means are by their names."""
    return [
        f"{name}: soft Dice {mean['soft_dice']:.4f}, Dice {mean['dice']:.4f}"
        for name, mean in volumes.items()
    ]
