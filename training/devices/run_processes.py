"""All processes of a run, found by a mark that they inherit, in whatever sessions they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

# The variable of the environment whose value is the run's id.
RUN_MARK = "NAPARI_UNET_RUN"
# Sent by Linux when the command that trains dies. It may come twice, once for each of that
# command's threads, so it never ends the training at once.
PARENT_DIED = signal.SIGUSR1


def find_processes(run_id: str) -> list[psutil.Process]:
    """The living processes that carry a run's mark, without the calling one."""
    return [process for process, _ in _marked(run_id)]


def find_workers(run_id: str) -> dict[int, int]:
    """Ranks of a run's training processes on this machine, by their process ids."""
    return {
        process.pid: int(environment["RANK_ID"])
        for process, environment in _marked(run_id)
        if environment.get("MS_ROLE") == "MS_WORKER" and _is_training(process)
    }


def _is_training(process: psutil.Process) -> bool:
    """Whether it trains; msrun's ``tail -f`` of a log has the worker's environment too."""
    try:
        return "training.train" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def kill_processes(run_id: str, patience: float = 10.0) -> list[psutil.Process]:
    """Kill every process of a run but the calling one; returns those that won't end.

    Looks again after each round, because a process may start another before it ends.
    """
    deadline = time.monotonic() + patience
    while left := find_processes(run_id):
        if time.monotonic() > deadline:
            return left
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=0.5)
    return []


def _marked(run_id: str) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            is_dead = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if environment.get(RUN_MARK) == run_id and not is_dead and process.pid != os.getpid():
            yield process, environment


@contextmanager
def guarded(run_id: str) -> Iterator[None]:
    """While this process lives, a guard waits to kill all that carries the run's mark."""
    guard = subprocess.Popen(
        [sys.executable, "-P", "-m", "training.devices.run_processes"],
        env={**os.environ, RUN_MARK: run_id},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    with guard:
        try:
            yield
        finally:
            guard.kill()


if __name__ == "__main__":
    sys.stdin.read()
    sys.exit(len(kill_processes(os.environ[RUN_MARK])))
