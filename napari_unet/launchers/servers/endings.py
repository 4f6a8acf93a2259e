"""Why a run on a server ended without reporting why, from what the server still knows."""

from __future__ import annotations

import time

from napari_unet.launchers.servers.slurm.jobs import RESUME, Job
from training.devices.failures import find_cause
from training.errors import UserError
from training.runs.event_log import failed_event
from training.runs.events import Ended, Failed

SHOWN_LINES = 20
_FACTS = 4  # lines before those of the log


def ending_event(
    facts: str, server: str, job: Job | None = None, *, has_begun: bool = True
) -> Failed | Ended:
    """Make the event of a run whose processes are gone.

    Parameters
    ----------
    facts : str
        What :func:`scripts.why_it_ended` printed.
    server : str
        The server's name.
    job : Job or None
        What its queue says of it, if it has one.
    has_begun : bool
        Whether the training has told that it began; a job may be cancelled before.
    """
    values = _values(facts)
    seconds = float(values["time"]) if values.get("time", "").isdecimal() else time.time()
    if job is not None and job.is_cancelled and not has_begun:
        return {"kind": "stopped", "time": seconds, "step": 0, "seconds": 0.0}
    last = "\n".join(_log(facts).splitlines()[-SHOWN_LINES:])
    error = job and job.explain_end(server)
    if error is None and not has_begun and not last:
        error = UserError(
            f"The run did not begin on {server}. The connection may have been lost just then.",
            "Resume the run: it begins.",
        )
    error = error or _explain(facts, server, is_queued=job is not None)
    return {**failed_event(error, last), "time": seconds}


def _explain(facts: str, server: str, *, is_queued: bool) -> UserError:
    values = _values(facts)
    log = _log(facts)
    started_at, boot = values.get("started-at", ""), values.get("boot", "")
    if started_at and started_at != boot and not is_queued:  # a job's node is another machine
        return UserError(f"{server} was rebooted while the run was going on.", RESUME)
    cause = find_cause(log.splitlines(), is_disk_full=values.get("free") == "0")
    if cause is not None:
        problem = f"The training on {server} ended. {cause.problem}"
        return UserError(problem, f"{cause.remedy} {RESUME}".lstrip())
    return UserError(
        f"The run's processes on {server} were killed, perhaps for lack of memory.", RESUME
    )


def _values(facts: str) -> dict[str, str]:
    lines = facts.splitlines()[:_FACTS]
    return dict(line.split(" ", 1) for line in lines if line.count(" ") == 1)


def _log(facts: str) -> str:
    return "\n".join(facts.splitlines()[_FACTS:]).strip()
