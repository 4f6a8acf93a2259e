"""A run's job as Slurm describes it: where it stands, and why it ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from napari_unet.launchers.launcher import Standing
from training.errors import UserError

_LINE = re.compile(
    r"napari-unet-(\w{1,64})\|([\w.]{1,40})\|([A-Z_]{1,40})\|([^|]*)\|([^|]*)", re.ASCII
)
_MOST_LETTERS = 99
_ENDED = {
    "BOOT_FAIL": "its node did not start",
    "CANCELLED": "it was cancelled",
    "COMPLETED": "",
    "DEADLINE": "its deadline was reached",
    "FAILED": "",
    "FORGOTTEN": "",
    "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "it took more memory than it had asked for",
    "PREEMPTED": "another job needed its node",
    "REVOKED": "it was revoked",
    "TIMEOUT": "its time limit was reached before it had ended",
}
RESUME = "Resume the run: it goes on from its newest checkpoint."
_GO_ON = "resume it, or predict again: it goes on after the slices that are done."
GO_ON = _GO_ON.capitalize()
_REMEDIES = {
    "run": {
        "OUT_OF_MEMORY": "Ask for more, such as --sbatch=--mem=64G, then resume the run.",
        "TIMEOUT": (
            "Resume the run; ask for an earlier signal, such as --sbatch=--signal=B:USR1@600."
        ),
        "": RESUME,
    },
    "prediction": {
        "OUT_OF_MEMORY": f"Ask for more, such as --sbatch=--mem=64G, then {_GO_ON}",
        "TIMEOUT": f"Give its server a longer --time, or more devices, then {_GO_ON}",
        "": GO_ON,
    },
}


@dataclass(frozen=True)
class Job:
    """A job of a run.

    Parameters
    ----------
    id : str
        Slurm's number.
    state : str
        As Slurm calls it, such as PENDING.
    reason, nodes : str
        Why it waits, and where it runs.
    """

    id: str
    state: str
    reason: str
    nodes: str

    @property
    def is_alive(self) -> bool:
        """Whether it waits, runs, or ends just now."""
        return self.state not in _ENDED

    @property
    def is_waiting(self) -> bool:
        """Whether it has no node yet, or is queued again."""
        return self.state in ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED")

    @property
    def standing(self) -> Standing:
        """Say where it stands: why it waits, or on which nodes it runs."""
        if self.is_waiting:
            state = self.state.lower().replace("_", " ")
            why = "" if self.reason == "None" else f": {self.reason}"  # Slurm has not looked yet
            return Standing(f"Job {self.id} is {state}{why}", is_waiting=True)
        return Standing(f"Job {self.id} runs on {self.nodes}" if self.is_alive else "")

    @property
    def is_cancelled(self) -> bool:
        """Whether a person took it off the queue, or ended it."""
        return self.state == "CANCELLED"

    def explain_end(
        self, server: str, of: Literal["run", "prediction"] = "run"
    ) -> UserError | None:
        """Say why Slurm ended it; None where it ended by itself."""
        why = _ENDED.get(self.state)
        if not why:
            return None
        problem = f"Slurm on {server} ended the {of}'s job {self.id}: {why}."
        remedies = _REMEDIES[of]
        return UserError(problem, remedies.get(self.state, remedies[""]))


FORGOTTEN = Job("?", "FORGOTTEN", "", "")
"""One that Slurm no longer lists: it does so for some minutes only."""


def parse_jobs(text: str) -> dict[str, Job]:
    """Read what ``list_jobs`` printed: the job of each run, the one that goes on or the last.

    What isn't one of our lines is passed over; texts are cut off and made printable.
    """
    jobs: dict[str, Job] = {}
    for line in text.split("\n"):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        run_id, *values = match.groups()
        job = Job(*(_shown(value) for value in values))
        known = jobs.get(run_id)
        if known is None or (job.is_alive, _number(job)) > (known.is_alive, _number(known)):
            jobs[run_id] = job
    return jobs


def _number(job: Job) -> int:
    return int("0" + "".join(re.findall(r"^\d{1,15}", job.id)))


def _shown(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:_MOST_LETTERS] or "?"
