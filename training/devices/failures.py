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

# What a log says, and what it means to a person.
_SENTENCES = (
    ("No space left on device", "The disk is full.", "Free some space, then resume the run."),
    ("Address already in use", "msrun's port is taken.", "Choose another: --master_port."),
    ("No module named 'mindspore'", "MindSpore is missing.", "Install it, or activate it."),
    ("out of memory", "The memory is used up.", "Take a smaller batchsize, then start again."),
    ("MemoryError", "The memory is used up.", "Take a smaller batchsize, then start again."),
)


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
    text = "\n".join(read_tail(log).splitlines()[-LAST_LINES:])
    who = f"The process of device {rank}" if rank is not None else "MindSpore's launcher msrun"
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
    cause = "The disk is full." if not has_space(run.path) else ""
    remedy = f"{RESUME} Its log: {log}."
    for word, meaning, advice in _SENTENCES:
        if word in text:
            cause, remedy = meaning, f"{advice} Its log: {log}."
            break
    else:
        errors = [line for line in text.splitlines() if line.startswith("Error: ")]
        cause = cause or (errors[-1].removeprefix("Error: ") if errors else "")
    return DeathError(f"{who} {how}. {cause}".rstrip(), remedy, text)


def has_space(folder: Path) -> bool:
    """Whether a checkpoint could still be written to a folder's disk."""
    return shutil.disk_usage(folder).free > LEAST_BYTES


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
