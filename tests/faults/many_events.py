"""Runs of many steps, written as a training writes them but at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.config import preset_config
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

EPOCH = 100  # steps
START = 1_700_000_000.0  # seconds since 1970


def new_run(path: Path, total_steps: int) -> RunDirectory:
    """A run that has started, on the processor."""
    run = RunDirectory(path)
    run.create(preset_config("compact"))
    log = EventLog(run.events)
    log.append(
        "started",
        device="CPU",
        world_size=1,
        first_step=0,
        total_steps=total_steps,
        total_epochs=1,
        valid_slices=[2],
    )
    log.close()
    return run


def append_steps(run: RunDirectory, first: int, last: int) -> None:
    """Append the events of some steps, with a validation and a preview every epoch."""
    with run.events.open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events_of(first, last))


def events_of(first: int, last: int) -> Iterator[dict[str, Any]]:
    for step in range(first, last + 1):
        time, epoch = START + 0.1 * step, math.ceil(step / EPOCH)
        loss = 0.3 + 1 / step + 0.1 * math.sin(step)
        step_event = {"kind": "step", "time": time, "step": step, "epoch": epoch, "loss": loss}
        yield step_event | {"images_per_second": 17.123456, "lr": 1e-3 / step}
        if step % EPOCH == 0:
            figures = {"dice": 0.8, "soft_dice": 0.9 - 1 / step, "iou": 0.7}
            slices = [{"slice": index, **figures} for index in range(6)]
            place = {"time": time, "step": step, "epoch": epoch}
            yield {"kind": "evaluated", **place, "slices": slices, "mean": figures}
            path = f"preview/step-{epoch:06d}.png"
            yield {"kind": "preview", "time": time, "step": epoch, "slice": 2, "path": path}
