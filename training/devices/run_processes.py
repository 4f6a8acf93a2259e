"""All processes of a run, found by a mark that they inherit, in whatever sessions they are."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

# The variable of the environment that marks a run's processes: its value is the run's id, and
# of what one launcher starts ID-LAUNCH. What is asked for an id finds the processes of every
# launch; what is asked for ID-LAUNCH finds those of that one.
RUN_MARK = "NAPARI_UNET_RUN"
Handler = Callable[[int, FrameType | None], None]

# How Windows starts a process that outlives the terminal and gets no signals of it; elsewhere
# ``start_new_session`` does that.
if sys.platform == "win32":
    DETACHED = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
else:
    DETACHED = 0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def passed_on(lock: int) -> tuple[int, ...]:
    """Give the ``pass_fds`` of a process that keeps a lock, where the system lets it: not Windows.

    There the lock ends with whoever took it.
    """
    return () if sys.platform == "win32" else (lock,)


def on_hang_up(handler: Handler) -> None:
    """Call a handler when the terminal is closed; nothing is changed under ``nohup``.

    It may come twice, from the shell and from Linux, so the handler must not end work at once.
    Windows has no such signal.
    """
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def on_parent_death(handler: Handler) -> None:
    """Call a handler when the process dies that started this one by :func:`end_with_parent`.

    It may come twice, once for each of that process's threads, so the handler must not end work
    at once.
    """
    if sys.platform == "linux":
        signal.signal(signal.SIGUSR1, handler)


def end_with_parent() -> None:
    """Have Linux tell this process of its parent's death; call it in a child, before it begins."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)


def launch_mark(run_id: str) -> str:
    """Make a mark for the processes of one launch of a run."""
    return f"{run_id}-{secrets.token_hex(4)}"


def find_processes(mark: str) -> list[psutil.Process]:
    """List the living processes with the mark of a run or a launch, without the calling one."""
    return [process for process, _ in _list_processes(mark)]


def find_workers(mark: str) -> dict[int, int]:
    """Ranks of the training processes with a mark on this machine, by their process ids."""
    return {
        process.pid: int(environment["RANK_ID"])
        for process, environment in _list_processes(mark)
        if environment.get("MS_ROLE") == "MS_WORKER" and _is_training(process)
    }


def _is_training(process: psutil.Process) -> bool:
    """Whether it trains; msrun's ``tail -f`` of a log has the worker's environment too."""
    try:
        return "training.train" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def kill_processes(mark: str, patience: float = 10.0) -> list[psutil.Process]:
    """Kill every process with a mark except the calling one; returns those that won't end.

    Looks again after each round, because a process may start another before it ends.

    Raises
    ------
    ValueError
        If the mark is empty.
    """
    deadline = time.monotonic() + patience
    while left := find_processes(mark):
        if time.monotonic() > deadline:
            return left
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=0.5)
    return []


def _list_processes(mark: str) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    if not mark:
        raise ValueError("Every process without a mark has an empty one.")
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            is_dead = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        own = environment.get(RUN_MARK, "")
        is_marked = own == mark or own.startswith(f"{mark}-")
        if is_marked and not is_dead and process.pid != os.getpid():
            yield process, environment


@contextmanager
def kill_at_end(mark: str) -> Iterator[None]:
    """Have a guard kill all processes with a mark if this one dies before the block ends."""
    guard = subprocess.Popen(
        [sys.executable, "-P", "-m", "training.devices.run_processes"],
        env={**os.environ, RUN_MARK: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=DETACHED,
    )
    with guard:
        try:
            yield
        finally:
            guard.kill()


if __name__ == "__main__":
    sys.stdin.read()
    sys.exit(len(kill_processes(os.environ[RUN_MARK])))
