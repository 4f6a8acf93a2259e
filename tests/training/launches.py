"""Launches on several CPU workers, as real processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable

import psutil

from training.devices.run_processes import RUN_MARK, find_processes, find_workers
from training.runs.event_reading import parse_events
from training.runs.events import Event
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

PATIENCE = 240.0


class Launch:
    """One ``python -m training.launch_8p``, with a mark of its own."""

    def __init__(self, run: RunDirectory, arguments: list[str], **environment: str) -> None:
        self.run = run
        self.id = environment.get(RUN_MARK) or uuid.uuid4().hex
        self._former_starts = self._count_starts()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "training.launch_8p", "--run_dir", run.path, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, RUN_MARK: self.id, **environment},
        )

    def wait(self) -> str:
        """What it printed, once it has ended."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        return output

    def wait_for_step(self, step: int) -> None:
        """Wait until this launch, and not one before it, has trained a step."""
        wait_until(lambda: self._has_trained(step) or self.has_ended())
        assert not self.has_ended(), self.wait()

    def _has_trained(self, step: int) -> bool:
        has_started = self._count_starts() > self._former_starts
        return has_started and load_state(self.run.events).step >= step

    def _count_starts(self) -> int:
        if not self.run.events.exists():
            return 0
        return sum(event["kind"] == "started" for event in events(self.run))

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def left(self) -> list[psutil.Process]:
        return find_processes(self.id)

    def worker(self, rank: int) -> psutil.Process:
        ids = [pid for pid, worker in find_workers(self.id).items() if worker == rank]
        return psutil.Process(ids[0])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def events(run: RunDirectory) -> list[Event]:
    return parse_events(run.events.read_bytes())


def losses(run: RunDirectory) -> list[float]:
    return [event["loss"] for event in events(run) if event["kind"] == "step"]


def fingerprints(run: RunDirectory, devices: int) -> set[str]:
    logs = [run.device_log(rank).read_text() for rank in range(devices)]
    return {re.findall(r"weights' SHA-256 is (\w{64})", log)[-1] for log in logs}
