"""What happens in a run, one JSON object a line, and its fold into a :class:`RunState`.

Every event has ``kind`` and ``time`` (seconds since 1970). Kinds and their other fields:

============  ======================================================================
started       device, world_size, versions, pid, hostname, preset, first_step,
              total_steps, steps_per_epoch, train_slices, valid_slices (lists of int),
              validation (what is held out, in a sentence); of a run that began from
              another's weights, initial_model: its path, and mean (its figures here)
step          step, epoch, loss, images_per_second, lr
evaluated     step, epoch, slices (per-slice figures, see ``metrics``), mean
checkpoint    step, path (relative to the run), is_best
preview       epoch, slice, path (relative to the run)
warning       message
compared      initial_path, slices, before and after (figures), is_better
finished      step, seconds
stopped       step, seconds (a person asked for it; the model is kept)
failed        message, remedy, traceback
============  ======================================================================

Readers ignore unknown kinds and an unfinished last line. A run of days has a million events: they
are read in pieces, and folded into a state that is no larger than that of an hour's.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from training.atomic_files import UnwritableError
from training.event_reading import KEPT_EVENTS, PIECE, Detail, Event, complete_length, read_pieces
from training.thinned_curve import ThinnedCurve

MOST_WAITING = 10_000  # events, while the disk is full
Status = Literal["waiting", "running", "finished", "stopped", "failed"]


class EventLog:
    """Appends events to a file. A line that a killed process left unfinished is cut off.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UnwritableError
        If it can't be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("ab+", buffering=0)
            self._file.truncate(_complete_size(self._file))
        except OSError as error:
            raise UnwritableError(path, error) from error
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)

    def append(self, kind: str, **values: Any) -> None:
        """Write an event, after those that could not be written before.

        Raises
        ------
        OSError
            If it can't be written: it waits for the next call.
        """
        line = json.dumps({"kind": kind, "time": time.time(), **values}, allow_nan=False)
        self._waiting.append(line.encode() + b"\n")
        self._write(b"".join(self._waiting))
        self._waiting.clear()

    def _write(self, content: bytes) -> None:
        size = os.fstat(self._file.fileno()).st_size
        try:
            rest = content
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(size)
            raise

    def close(self) -> None:
        """Have the file safe on the disk, and close it."""
        with self._file:
            os.fsync(self._file.fileno())


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


def _complete_size(file: IO[bytes]) -> int:
    """Length of the finished lines of a file, found from its end."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - PIECE)
        file.seek(begin)
        whole = complete_length(file.read(end - begin))
        if whole:
            return begin + whole
        end = begin
    return 0
