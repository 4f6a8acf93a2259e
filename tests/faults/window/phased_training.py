"""Plays ``python -m training.train`` up to a phase, and stays in it until it is asked to stop.

Phases: ``starting`` (nothing reported yet), ``validating`` (two steps reported), ``lingering``
(asked to stop, it goes on until there is a file ``end``), ``finished`` and ``failed``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

run, phase = RunDirectory(sys.argv[1]), sys.argv[2]


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.02)


def start() -> None:
    log.append(
        "started",
        device="CPU",
        world_size=1,
        first_step=0,
        total_steps=100,
        total_epochs=1,
        valid_slices=[2],
    )
    for step in (1, 2):
        log.append("step", step=step, epoch=1, loss=0.5, images_per_second=1.0, lr=1e-3)


with run.hold():
    log = EventLog(run.events)
    if phase == "starting":
        wait_for(run.stop_request)
    start()
    if phase in ("validating", "lingering"):
        wait_for(run.stop_request)
    if phase == "lingering":
        wait_for(run.path / "end")
    if phase == "failed":
        log.append("failed", message="The memory ran out.", remedy="Take less.", traceback="")
    elif phase == "finished":
        log.append("finished", step=2, seconds=1.0)
    else:
        log.append("stopped", step=2, seconds=1.0)
    log.close()
