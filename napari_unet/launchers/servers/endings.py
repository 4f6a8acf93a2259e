"""Why a run on a server ended without reporting why, from what the server still knows."""

from __future__ import annotations

from training.devices.failures import find_cause
from training.errors import UserError
from training.runs.event_log import failed_event
from training.runs.events import Failed

SHOWN_LINES = 20
RESUME = "Resume the run: it goes on from its newest checkpoint."


def ending_event(facts: str, server: str) -> Failed:
    """Make the event of a run whose processes are gone.

    Parameters
    ----------
    facts : str
        What :func:`scripts.why_it_ended` printed.
    server : str
        The server's name.
    """
    last = "\n".join(_log(facts).splitlines()[-SHOWN_LINES:])
    return failed_event(_explain(facts, server), last)


def _explain(facts: str, server: str) -> UserError:
    values = dict(line.split(" ", 1) for line in facts.splitlines()[:3] if line.count(" ") == 1)
    log = _log(facts)
    started_at, boot = values.get("started-at", ""), values.get("boot", "")
    if started_at and started_at != boot:
        return UserError(f"{server} was rebooted while the run was going on.", RESUME)
    cause = find_cause(log.splitlines(), is_disk_full=values.get("free") == "0")
    if cause is not None:
        problem = f"The training on {server} ended. {cause.problem}"
        return UserError(problem, f"{cause.remedy} {RESUME}".lstrip())
    return UserError(
        f"The run's processes on {server} were killed, perhaps for lack of memory.", RESUME
    )


def _log(facts: str) -> str:
    return "\n".join(facts.splitlines()[3:]).strip()
