"""The processes of a job, started by msrun: their output is passed on, and deaths are noted.

msrun alone is not enough: after a worker's death it waits for its scheduler without a bound.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.console import say
from training.devices.msrun_job import MsrunJob
from training.devices.run_processes import DETACHED, RUN_MARK

POLL_SECONDS = 0.5
# msrun ends by itself a second after a worker's failure, or never.
PATIENCE_SECONDS = 5.0
# What it says of a worker: its process id and its exit code.
DEATH = re.compile(r"Worker process (\d+) exit with exception\. Error code: (-?\d+)")


@dataclass(frozen=True)
class Death:
    """The end of a worker: its process id and its exit code, -N where signal N killed it."""

    process_id: int
    code: int


class MsrunProcess:
    """Starts a program on this machine's devices of a job, by msrun where there are several.

    Parameters
    ----------
    job : MsrunJob
    program : sequence of str
        A module to run, and its arguments.
    log_folder : Path
        Where msrun writes.
    mark : str
        Of all processes that come of it, see :mod:`run_processes`.
    is_tailing : bool
        Whether msrun's output has that of rank 0 in it.
    is_quiet : bool
        Whether msrun's output is dropped.

    Attributes
    ----------
    death : Death or None
        The first worker that ended with an error.
    """

    def __init__(
        self,
        job: MsrunJob,
        program: Sequence[str],
        log_folder: Path,
        mark: str,
        *,
        is_tailing: bool = True,
        is_quiet: bool = False,
    ) -> None:
        self._is_quiet = is_quiet
        self._is_alone = job.devices == 1
        self.death: Death | None = None
        self._deadline = float("inf")
        # A single device's process writes its log itself.
        output = None if self._is_alone else subprocess.PIPE
        self._process = subprocess.Popen(
            job.command(program, log_folder, is_tailing=is_tailing),
            env=job.environment({RUN_MARK: mark}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            text=True,
            errors="replace",
            start_new_session=True,
            creationflags=DETACHED,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def has_ended(self) -> bool:
        """Whether all processes have ended, or a worker has and msrun had time to end, too."""
        code = self._process.poll()
        if code and self._is_alone:
            self.death = Death(self._process.pid, code)
        if self.death is not None:
            self._deadline = min(self._deadline, time.monotonic() + PATIENCE_SECONDS)
        return code is not None or time.monotonic() >= self._deadline

    def has_failed(self) -> bool:
        """Whether, once it has ended, anything went wrong."""
        return self.death is not None or self._process.returncode != 0

    def wait(self) -> None:
        """Wait until the system has taken it off its list, once it was killed."""
        self._process.wait()

    def _read(self) -> None:
        """Pass msrun's output on, and note which worker it reports dead."""
        for line in self._process.stdout or ():
            if not self._is_quiet:
                say(line, end="")
            if self.death is None and (match := DEATH.search(line)):
                self.death = Death(int(match[1]), int(match[2]))
