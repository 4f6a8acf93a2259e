"""What a process finds that it may use, in real groups and with a real affinity."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.control_groups import control_group
from training.resources import limits
from training.resources.cgroups import MemoryLimit

MIB = 2**20
CORES = "from training.resources.limits import *; print([usable_cores(), threads_to_set()])"
# Takes 64 MiB, gives them back, and writes as much to a file.
MEMORY = """
import os, sys
from training.resources.limits import free_memory, memory_limit
before = free_memory()
taken = bytearray(b"1") * 2**26
after = free_memory()
del taken
with open(sys.argv[1], "wb", buffering=0) as file:
    for _ in range(64):
        file.write(bytes(2**20))
    os.fsync(file)
print([memory_limit(), before, after, free_memory()])
"""


def told_by(words: Sequence[str], code: str, *arguments: str) -> list[Any]:
    command = [*words, sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_memory_is_that_of_the_group(tmp_path: Path) -> None:
    with control_group(memory=160 * MIB) as words:
        limit, before, after, at_last = told_by(words, MEMORY, str(tmp_path / "file"))
    assert limit == 160 * MIB
    assert 80 * MIB < before < 160 * MIB
    assert before - after == pytest.approx(64 * MIB, abs=8 * MIB)
    assert at_last == pytest.approx(before, abs=8 * MIB)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
@pytest.mark.parametrize("cores", [0.3, 1])
def test_cores_are_those_of_the_group(cores: float) -> None:
    with control_group(cores=cores) as words:
        assert told_by(words, CORES) == [1, 1]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
@pytest.mark.skipif(shutil.which("taskset") is None, reason="there is no taskset")
def test_cores_are_those_that_the_process_is_bound_to() -> None:
    one = min(os.sched_getaffinity(0))
    assert told_by(["taskset", "-c", str(one)], CORES) == [1, 1]


@pytest.mark.portable
def test_the_least_of_all_limits_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(total=1000, available=600)
    monkeypatch.setattr("psutil.virtual_memory", lambda: there)
    for groups, limit, free in (
        ([], None, 600),
        ([MemoryLimit(2**63 - 4096, 2**63 - 5000)], None, 600),
        ([MemoryLimit(900, 700), MemoryLimit(950, 500)], 900, 500),
        ([MemoryLimit(900, 0)], 900, 0),
    ):
        monkeypatch.setattr(limits, "memory_limits", lambda groups=groups: groups)
        assert (limits.memory_limit(), limits.free_memory()) == (limit, free)
        assert limits.memory_to_take() == free / 2
    assert limits.memory_to_take(7.0) == 7.0


@pytest.mark.portable
@pytest.mark.parametrize(
    ("shares", "cores", "to_set"),
    [([], 8, 0), ([64.0], 8, 0), ([2.1, 5.0], 3, 3), ([0.01], 1, 1), ([8.0], 8, 0)],
)
def test_a_part_of_a_core_counts_as_one(
    monkeypatch: pytest.MonkeyPatch, shares: list[float], cores: int, to_set: int
) -> None:
    process = SimpleNamespace(cpu_affinity=lambda: list(range(8)))
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("psutil.Process", lambda: process)
    monkeypatch.setattr(limits, "core_limits", lambda: shares)
    assert (limits.usable_cores(), limits.threads_to_set()) == (cores, to_set)


@pytest.mark.portable
@pytest.mark.parametrize("process", [SimpleNamespace(), SimpleNamespace(cpu_affinity=list)])
def test_without_an_affinity_all_cores_are_usable(
    monkeypatch: pytest.MonkeyPatch, process: object
) -> None:
    """MacOS has none; Windows tells of none where a process runs on more than 64 cores."""
    monkeypatch.setattr("psutil.Process", lambda: process)
    monkeypatch.setattr(limits, "core_limits", list)
    assert limits.usable_cores() == os.cpu_count()
