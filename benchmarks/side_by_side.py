"""Contestants measured in turn: each in a process of its own, so that none disturbs another."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAUSE = 0.3  # seconds, in which the threads of the last contestant fall asleep
TORCH_VARIABLE = "NAPARI_UNET_TORCH"


@dataclass(frozen=True)
class Result:
    """Seconds of a contestant's repetitions, and the most memory that its process took."""

    name: str
    seconds: list[float]
    megabytes: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Contestant:
    """A process of ``benchmarks.worker`` that measures once for every line it is sent.

    Parameters
    ----------
    name : str
        As it is called in the table.
    task : str
        Function of ``benchmarks.worker``, and its arguments.
    is_torch : bool
        Whether it needs PyTorch or ONNX Runtime: it is run by the Python that the variable
        NAPARI_UNET_TORCH names, where these are not installed beside the package.
    """

    def __init__(self, name: str, task: str, is_torch: bool = False, /, **arguments: Any) -> None:
        self.name = name
        self.seconds: list[float] = []
        python = os.environ.get(TORCH_VARIABLE, sys.executable) if is_torch else sys.executable
        command = [python, "-m", "benchmarks.worker", task, json.dumps(arguments)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_until_ready(self) -> None:
        self._read()

    def measure(self) -> None:
        self._send("go")
        self.seconds.append(self._read())

    def end(self) -> Result:
        self._send("end")
        megabytes = self._read()
        self._process.communicate()
        return Result(self.name, self.seconds, megabytes)

    def _send(self, word: str) -> None:
        if self._process.stdin is not None:
            print(word, file=self._process.stdin, flush=True)

    def _read(self) -> float:
        """The next number; libraries may print other lines."""
        for line in self._process.stdout or ():
            if line.startswith("measured "):
                return float(line.split()[1])
        raise RuntimeError(f"{self.name} ended with {self._process.wait()}.")


def run_in_turn(contestants: Sequence[Contestant], repetitions: int) -> list[Result]:
    """Measure each once, then each again, and so on: whatever slows the machine slows all."""
    for contestant in contestants:
        contestant.wait_until_ready()
    for _ in range(repetitions):
        for contestant in contestants:
            time.sleep(PAUSE)
            contestant.measure()
    return [contestant.end() for contestant in contestants]
