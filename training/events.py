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
compared      initial_model (path), slices, before and after (figures), is_better
finished      step, seconds
stopped       step, seconds (a person asked for it; the model is kept)
failed        message, remedy, traceback
============  ======================================================================

Readers ignore unknown kinds and an unfinished last line.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Event = dict[str, Any]
Status = Literal["waiting", "running", "finished", "stopped", "failed"]


class EventLog:
    """Appends events to a file. A line that a killed process left unfinished is cut off."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        complete = complete_length(path.read_bytes())
        self._file.truncate(complete)

    def append(self, kind: str, **values: Any) -> None:
        line = json.dumps({"kind": kind, "time": time.time(), **values}, allow_nan=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def complete_length(content: bytes) -> int:
    """Length in bytes of the finished lines at the start of ``content``."""
    return content.rfind(b"\n") + 1


def parse_events(content: bytes) -> list[Event]:
    """The events in the finished lines of ``content``; anything else is passed over."""
    events = []
    for line in content[: complete_length(content)].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "kind" in event:
            events.append(event)
    return events


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Events from a byte offset on, and the offset to go on from next time.

    A file that does not exist yet has no events.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    return parse_events(content), offset + complete_length(content)


@dataclass(frozen=True)
class RunState:
    """A run as its events tell it so far. Lists hold events, in the order of their steps."""

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

    @property
    def step(self) -> int:
        return int(self.steps[-1]["step"]) if self.steps else 0

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
    steps, evaluations = list(state.steps), list(state.evaluations)
    warnings = list(state.warnings)
    changes: dict[str, Any] = {}
    for event in events:
        changes["last_time"] = event.get("time")
        match event["kind"]:
            case "started":
                first = event["first_step"]
                steps = [step for step in steps if step["step"] <= first]
                evaluations = [one for one in evaluations if one["step"] <= first]
                changes |= {"status": "running", "started": event, "failure": None}
                changes["comparison"] = None
                if state.started_time is None:
                    changes.setdefault("started_time", event["time"])
            case "step":
                steps.append(event)
            case "evaluated":
                evaluations.append(event)
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
    return replace(
        state,
        steps=steps,
        evaluations=evaluations,
        best_evaluation=max(evaluations, key=_soft_dice, default=None),
        warnings=warnings,
        **changes,
    )


def load_state(path: Path) -> RunState:
    """The state that a whole event file tells."""
    events, _ = read_events(path)
    return fold(RunState(), events)


def _soft_dice(evaluation: Event) -> float:
    return float(evaluation["mean"]["soft_dice"])
