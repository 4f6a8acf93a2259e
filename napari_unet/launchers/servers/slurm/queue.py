"""Slurm's queue on a server: a run's job is looked at there, and ended."""

from __future__ import annotations

import time
from typing import Protocol

from napari_unet.launchers.servers.slurm import batch_script
from napari_unet.launchers.servers.slurm.jobs import Job, parse_jobs

# Whoever asks more often keeps the controller from its work.
LOOK_SECONDS = 10.0
ENDING_SECONDS = 2.0


class Shell(Protocol):
    """Where scripts run: a server."""

    async def run(self, script: str, timeout: float = 60, *, is_patient: bool = False) -> str:
        """Run a bash script, and return what it printed."""


class QueuedRun:
    """The job of a run, looked at now and then.

    Parameters
    ----------
    run_id : str
        Its name has it.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._looked = 0.0
        self.job: Job | None = None
        """As it was when it was looked at last."""

    async def is_alive(self, shell: Shell, *, has_ended: bool) -> bool:
        """Whether its job waits, runs, or ends just now.

        Parameters
        ----------
        shell : Shell
        has_ended : bool
            Whether the training says that it has: the job may end any moment, or be queued again.
        """
        now = time.monotonic()
        pause = ENDING_SECONDS if has_ended else LOOK_SECONDS
        if self.job is None or now >= self._looked + pause:
            self.job = (await list_jobs(shell, self._run_id)).get(self._run_id)
            self._looked = now
        return self.job is not None and self.job.is_alive


async def list_jobs(shell: Shell, run_id: str = "") -> dict[str, Job]:
    """List the jobs of one run, or of all of the account's, by the runs' ids."""
    return parse_jobs(await shell.run(batch_script.list_jobs(run_id), is_patient=True))
