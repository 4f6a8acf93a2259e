"""The state of a run: a fold of its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from training.runs.event_reading import (
    KEPT_EVENTS,
    Detail,
    Event,
    read_pieces,
)
from training.runs.thinned_curve import ThinnedCurve

Status = Literal["waiting", "running", "finished", "stopped", "failed"]
RunStatus = Status | Literal["interrupted", "unreadable"]


@dataclass(frozen=True)
class RunState:
    """A run as its events tell it so far.

    Lists hold the newest events, ``KEPT_EVENTS`` at most, in the order of their steps; the curves
    tell the whole run.
    """

    status: Status = "waiting"
    started: Event | None = None
    started_time: float | None = None
    last_time: float | None = None
    steps: list[Event] = field(default_factory=list)
    evaluations: list[Event] = field(default_factory=list)
    best_evaluation: Event | None = None
    preview: Event | None = None
    warnings: list[str] = field(default_factory=list)
    comparison: Event | None = None
    failure: Event | None = None
    loss: ThinnedCurve = field(default_factory=ThinnedCurve)
    soft_dice: ThinnedCurve = field(default_factory=ThinnedCurve)
    dice: ThinnedCurve = field(default_factory=ThinnedCurve)

    @property
    def step(self) -> int:
        if self.steps:
            return int(self.steps[-1]["step"])
        return int(self.started["first_step"]) if self.started else 0

    @property
    def epoch(self) -> int:
        return int(self.steps[-1]["epoch"]) if self.steps else 0

    @property
    def total_steps(self) -> int:
        return int(self.started["total_steps"]) if self.started else 0

    @property
    def best_soft_dice(self) -> float | None:
        return _soft_dice(self.best_evaluation) if self.best_evaluation else None

    @property
    def initial_soft_dice(self) -> float | None:
        """Of the model that the run began from, on this run's held-out slices; None: fresh."""
        initial = self.started.get("initial_model") if self.started else None
        return float(initial["mean"]["soft_dice"]) if initial else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace since the last start, or None before there is one."""
        if self.status != "running" or self.started is None or self.last_time is None:
            return None
        done = self.step - int(self.started["first_step"])
        if done < 2:
            return None
        pace = (self.last_time - float(self.started["time"])) / done
        return pace * max(0, self.total_steps - self.step)


def fold(state: RunState, events: Iterable[Event]) -> RunState:
    """The state after some more events. ``state`` itself is left as it was.

    A ``started`` event of a resumed run takes back the steps after the checkpoint from which
    it goes on: they are trained again, and told again.
    """
    news = _News()
    warnings = list(state.warnings)
    changes: dict[str, Any] = {}
    for event in events:
        changes["last_time"] = event.get("time")
        match event["kind"]:
            case "step":
                news.steps.append(event)
                news.numbers.append(event["step"])
                news.losses.append(event["loss"])
            case "losses":
                news.numbers += event["steps"]
                news.losses += event["losses"]
            case "started":
                state = _taken_back(news.added_to(state), event["first_step"])
                news = _News()
                changes |= {"status": "running", "started": event, "failure": None}
                changes["comparison"] = None
                if state.started_time is None:
                    changes.setdefault("started_time", event["time"])
            case "evaluated":
                news.evaluations.append(event)
            case "preview":
                changes["preview"] = event
            case "warning":
                warnings.append(event["message"])
            case "compared":
                changes["comparison"] = event
            case "finished" | "stopped" as ending:
                changes["status"] = ending
            case "failed":
                changes |= {"status": "failed", "failure": event}
    return replace(news.added_to(state), warnings=warnings[-KEPT_EVENTS:], **changes)


def read_state(
    path: Path, state: RunState, offset: int, detail: Detail = "losses"
) -> tuple[RunState, int]:
    """The state after what a file tells from a byte offset on, and the offset to go on from."""
    for events, after in read_pieces(path, offset, detail):
        state, offset = fold(state, events), after
    return state, offset


def load_state(path: Path) -> RunState:
    """The state that a whole event file tells."""
    return read_state(path, RunState(), 0)[0]


@dataclass
class _News:
    """Steps and evaluations to come to a state; of older steps only the numbers and losses."""

    steps: list[Event] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    evaluations: list[Event] = field(default_factory=list)

    def added_to(self, state: RunState) -> RunState:
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
            loss=state.loss.extended(self.numbers, self.losses),
            soft_dice=state.soft_dice.extended(evaluated, [mean["soft_dice"] for mean in means]),
            dice=state.dice.extended(evaluated, [mean["dice"] for mean in means]),
        )


def _taken_back(state: RunState, step: int) -> RunState:
    """The state as it was after a step; its best evaluation is the best of those still kept."""
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
    )


def _soft_dice(evaluation: Event) -> float:
    return float(evaluation["mean"]["soft_dice"])


def run_status(state: RunState, is_running: bool) -> RunStatus:
    """What became of a run: events alone can't tell that its process was killed."""
    if state.status in ("waiting", "running") and not is_running:
        return "interrupted"
    return state.status


def can_resume(status: RunStatus) -> bool:
    """Whether a run in this state has ended before its time."""
    return status in ("stopped", "failed", "interrupted")


def comparison_line(comparison: Mapping[str, Any]) -> str:
    """Say how a run's model compares with the one that it began from, by a ``compared`` event."""
    before, after = (comparison[name]["soft_dice"] for name in ("before", "after"))
    verdict = "better" if comparison["is_better"] else "not better"
    return (
        f"Soft Dice of what was held out: {after:.4f}, and {before:.4f} by the model that it "
        f"began from. The new one is {verdict}."
    )
