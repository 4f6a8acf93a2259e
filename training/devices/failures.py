"""Why a process of a run died, in a sentence: from its exit code and its log."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from training.devices.cann_errors import find_cann_error, has_waited
from training.errors import UserError
from training.files.untrusted_files import read_tail
from training.runs.run_directory import RunDirectory

LAST_LINES = 15
SEARCHED_LINES = 400  # CANN writes a hundred lines after the one that says why
LEAST_BYTES = 16 << 20
_SEARCHED_BYTES = 1 << 18
RESUME = "Resume the run to go on from its newest checkpoint, on as many devices as you like."

_DISK_FULL = UserError("The disk is full.", "Free some space.")
_NO_MEMORY = UserError("The memory is used up.", "Take a smaller batchsize.")
_NO_MODULE = UserError(
    "Python could not start the training: {line}.",
    "Install what is missing, or activate the environment that has it.",
)
# By the words of a log's line that show it.
_CAUSES = {
    "No space left on device": _DISK_FULL,
    "Address already in use": UserError("msrun's port is taken.", "Choose another: --master_port."),
    "There is no python": _NO_MODULE,
    "is older than 3.11, or can't be run": _NO_MODULE,
    "No module named": _NO_MODULE,
    "out of memory": _NO_MEMORY,
    "MemoryError": _NO_MEMORY,
}


class DeathError(UserError):
    """A process died; ``log_tail`` is the end of its log."""

    def __init__(self, problem: str, remedy: str, log_tail: str) -> None:
        super().__init__(problem, remedy)
        self.log_tail = log_tail


def explain_death(run: RunDirectory, rank: int | None, code: int) -> DeathError:
    """Explain why a process died.

    Parameters
    ----------
    run : RunDirectory
        Its run.
    rank : int or None
        Its rank; None: not a worker but msrun itself.
    code : int
        Its exit code; -N where signal N killed it.
    """
    log = run.device_log(rank) if rank is not None else run.msrun_logs / "scheduler.log"
    lines = read_tail(log, _SEARCHED_BYTES).splitlines()
    who = f"The process of device {rank}" if rank is not None else "MindSpore's launcher msrun"
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
    cause = find_cause(lines, is_disk_full=not has_space(run.path)) or UserError("")
    if has_waited(cause):
        cause = _cause_elsewhere(run, log) or cause
    return DeathError(
        f"{who} {how}. {cause.problem}".rstrip(),
        f"{cause.remedy} {RESUME} Its log: {log}.".lstrip(),
        "\n".join(lines[-LAST_LINES:]),
    )


def find_cause(lines: Sequence[str], *, is_disk_full: bool) -> UserError | None:
    """Find why a process ended; None where its log does not say.

    Parameters
    ----------
    lines : sequence of str
        Its log, or the end of it. Of CANN's errors the last 400 lines tell, of all others the
        last 15.
    is_disk_full : bool
        Whether the disk of its run has no space left.
    """
    if is_disk_full:
        return _DISK_FULL
    if (error := find_cann_error(lines[-SEARCHED_LINES:])) is not None:
        return error
    last = lines[-LAST_LINES:]
    for words, cause in _CAUSES.items():
        for line in last:
            if words in line:
                return UserError(cause.problem.format(line=line.strip()), cause.remedy)
    said = _find_error(last)
    return None if said is None else UserError(said)


def explain_workers(logs: Path) -> UserError:
    """Explain by the logs in msrun's folder why its processes ended before their work was done."""
    is_disk_full = not has_space(logs)
    for log in sorted(logs.glob("worker_*.log")):
        lines = read_tail(log, _SEARCHED_BYTES).splitlines()
        if (cause := find_cause(lines, is_disk_full=is_disk_full)) is not None:
            return cause
    return UserError(
        "A process of one of the devices was killed, or ended too early.",
        "Look whether the memory was enough, and try again, on fewer devices perhaps.",
    )


def _cause_elsewhere(run: RunDirectory, own: Path) -> UserError | None:
    """What another device complained of, whose end this one waited for."""
    for log in sorted(run.logs.glob("device*/log.log")):
        error = find_cann_error(read_tail(log, _SEARCHED_BYTES).splitlines()[-SEARCHED_LINES:])
        if log != own and error is not None and not has_waited(error):
            return UserError(f"It waited for {log.parent.name}: {error.problem}", error.remedy)
    return None


def has_space(folder: Path) -> bool:
    """Whether a checkpoint could still be written to a folder's disk."""
    return shutil.disk_usage(folder).free > LEAST_BYTES


def _find_error(lines: Sequence[str]) -> str | None:
    """Find the last error that we printed, else what the last traceback ends with."""
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    if errors:
        return errors[-1]
    _, mark, last = "\n".join(lines).rpartition("Traceback (most recent call last):")
    following = last.splitlines() if mark else []
    return next((line for line in following if line and not line.startswith(" ")), None)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
