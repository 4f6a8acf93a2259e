"""Ends a run's processes when their supervisor was killed and could not.

The workers are in sessions of their own, so nothing else would. The guard waits at a pipe that
the supervisor alone holds open: however the supervisor ends, the pipe is closed then.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from training.run_processes import RUN_MARK, kill_processes


@contextmanager
def guarded(run_id: str) -> Iterator[None]:
    """While this process lives, a guard waits to kill all that carries the run's mark."""
    guard = subprocess.Popen(
        [sys.executable, "-P", "-m", "training.guard"],
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
