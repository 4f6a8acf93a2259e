"""Why a process of a run died, in a sentence: from its exit code and its log."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from training.errors import UserError
from training.files.untrusted_files import read_tail
from training.runs.run_directory import RunDirectory

LAST_LINES = 15
LEAST_BYTES = 16 << 20
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
    log_tail = "\n".join(read_tail(log).splitlines()[-LAST_LINES:])
    who = f"The process of device {rank}" if rank is not None else "MindSpore's launcher msrun"
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
    cause = find_cause(log_tail, is_disk_full=not has_space(run.path)) or UserError("")
    return DeathError(
        f"{who} {how}. {cause.problem}".rstrip(),
        f"{cause.remedy} {RESUME} Its log: {log}.".lstrip(),
        log_tail,
    )


def find_cause(log_tail: str, *, is_disk_full: bool) -> UserError | None:
    """Find why a process ended; None where its log does not say.

    Parameters
    ----------
    log_tail : str
        The last lines of its log.
    is_disk_full : bool
        Whether the disk of its run has no space left.
    """
    if is_disk_full:
        return _DISK_FULL
    lines = log_tail.splitlines()
    for words, cause in _CAUSES.items():
        for line in lines:
            if words in line:
                return UserError(cause.problem.format(line=line.strip()), cause.remedy)
    error = _find_error(lines)
    return None if error is None else UserError(error)


def has_space(folder: Path) -> bool:
    """Whether a checkpoint could still be written to a folder's disk."""
    return shutil.disk_usage(folder).free > LEAST_BYTES


def _find_error(lines: list[str]) -> str | None:
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
