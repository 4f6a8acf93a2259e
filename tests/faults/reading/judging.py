"""Reads bad input in a process of its own, and judges what came of it.

An input may be read or refused with a ``UserError``. It must not hang, crash the process, raise
anything else, take much more memory than it has bytes, write a file or start a process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

SECONDS = 60  # of one input, on a busy machine; most take milliseconds
MEMORY_FACTOR, MEMORY_CONSTANT = 5000, 120 * 2**20


def read_all(target: str, inputs: Iterable[Path]) -> Counter[str]:
    """Read inputs with one of :mod:`tests.faults.reading.targets`.

    An input with a file of its name and ``.npy`` beside it must be read as that array.

    Returns
    -------
    Counter of str
        How many were "read" and how many "refused".

    Raises
    ------
    AssertionError
        Naming each input that did anything else.
    """
    left = [str(path.absolute()) for path in inputs]
    outcomes: Counter[str] = Counter()
    problems: list[str] = []
    while left:
        command = [sys.executable, "-m", "tests.faults.reading.child", target, str(SECONDS)]
        done = subprocess.run(command, input="\n".join(left), capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for answer in lines:
            outcomes[answer["outcome"]] += 1
            problems += _problems(answer)
        if done.returncode == 0:
            break
        assert len(lines) < len(left), done.stderr
        problems.append(f"{left[len(lines)]}: hung or crashed\n{done.stderr[-3000:]}")
        left = left[len(lines) + 1 :]
    assert not problems, f"{len(problems)} of {sum(outcomes.values())}:\n" + "\n".join(problems)
    return outcomes


def _problems(answer: dict[str, object]) -> list[str]:
    found = [f"{answer['input']}: {problem}" for problem in answer["problems"]]  # type: ignore
    size, peak = answer["size"], answer["peak"]
    assert isinstance(size, int) and isinstance(peak, int)
    if peak > MEMORY_FACTOR * size + MEMORY_CONSTANT:
        found.append(f"{answer['input']}: of {size} bytes, took {peak / 2**20:.0f} MiB")
    return found
