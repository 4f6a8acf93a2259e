"""Kills a job again and again, each time in a process forked from this one."""

from __future__ import annotations

import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.faults.writing.killing import die_at_byte, kill_at
from tests.faults.writing.wholeness import assert_whole, files_of, snapshot, temporaries_of

KILLS = (signal.SIGKILL, signal.SIGXFSZ)


class Job(Protocol):
    """What is killed. It takes a folder from an old state to a new one, always the same.

    Attributes
    ----------
    name : str
    between : tuple of str
        Endings of files that have other states than the old and the new one.
    timed : tuple of str
        Endings of files that two runs write differently, such as those with times.
    """

    name: str
    between: tuple[str, ...]
    timed: tuple[str, ...]

    def prepare(self, folder: Path) -> None:
        """Make the old state."""

    def run(self, folder: Path) -> None:
        """Bring it to the new state, or go on with that after a kill."""

    def check(self, folder: Path, expected: Path) -> None:
        """Compare what is new with an uninterrupted run, for what differs by its nature."""


@dataclass
class Counts:
    """Kills that hit, and boundaries that there were."""

    boundaries: int = 0
    at_boundaries: int = 0
    at_bytes: int = 0
    at_moments: int = 0


class Campaign:
    """Kills one job.

    Parameters
    ----------
    job : Job
    place : Path
        An empty folder to work in.
    seed : int
        Seed of the moments.
    """

    def __init__(self, job: Job, place: Path, seed: int = 0) -> None:
        self._job = job
        self._random = random.Random(seed)
        self._old, self._new, self._work = (place / name for name in ("old", "new", "work"))
        self._seconds = float("inf")  # of the quickest run so far
        self._counter = mmap.mmap(-1, 8)

    def run(self, count: int) -> Counts:
        """Kill at ``count`` boundaries, spread over all that there are, and at as many bytes
        and moments."""
        self._old.mkdir(parents=True)
        self._job.prepare(self._old)
        self._begin()
        assert not self._fork(lambda: kill_at(self._work, 0, self._note))
        shutil.copytree(self._work, self._new)
        self._old_state, self._new_state = snapshot(self._old), snapshot(self._new)
        assert not temporaries_of(self._new)
        longest = max(path.stat().st_size for path in files_of(self._new))

        counts = Counts(boundaries=int.from_bytes(self._counter[:], "little"))
        chosen = {1 + step * counts.boundaries // count for step in range(count)}
        for at in sorted(chosen):
            counts.at_boundaries += self._try(lambda at=at: kill_at(self._work, at))
        for _ in range(count):
            size = round(longest ** self._random.random())
            counts.at_bytes += self._try(lambda size=size: die_at_byte(size))
        for _ in range(count):
            counts.at_moments += self._try(after=self._seconds * self._random.random())
        return counts

    def _try(self, prepare: Callable[[], None] = lambda: None, after: float | None = None) -> bool:
        """Kill the job, look at what is left, and let it run to its end."""
        self._begin()
        was_killed = self._fork(prepare, after)
        files = files_of(self._work)
        assert_whole(files)
        for name, digest in snapshot(self._work).items():
            states = (self._old_state.get(name), self._new_state.get(name))
            assert digest in states or name.endswith(self._job.between), name
        assert self._old_state.keys() <= snapshot(self._work).keys()
        start = time.monotonic()
        assert not self._fork(lambda: None)
        self._seconds = min(self._seconds, time.monotonic() - start)
        assert not temporaries_of(self._work)
        state = snapshot(self._work)
        assert state.keys() == self._new_state.keys(), state.keys() ^ self._new_state.keys()
        for name, digest in state.items():
            assert digest == self._new_state[name] or name.endswith(self._job.timed), name
        self._job.check(self._work, self._new)
        return was_killed

    def _begin(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._old, self._work)

    def _note(self, reached: int) -> None:
        self._counter[:] = reached.to_bytes(8, "little")

    def _fork(self, prepare: Callable[[], None], after: float | None = None) -> bool:
        """Run the job in a child; whether it was killed. Any other failure is an error."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                prepare()
                self._job.run(self._work)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        if after is not None:
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) in KILLS, status
            return True
        assert os.WEXITSTATUS(status) == 0, f"{self._job.name} failed"
        return False


def run_campaign(job: str, place: Path, count: int, *options: object) -> None:
    """Kill a job at ``count`` boundaries, bytes and moments each; its process checks the rest."""
    command = [sys.executable, "-m", "tests.faults.writing.kill_jobs", job, place, count, *options]
    result = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout.splitlines()[-1])
    print(f"{job}: {counts}")
    assert counts["at_boundaries"] == min(count, counts["boundaries"])
