"""The options of a job: a profile's words for sbatch, each checked to be one line and no more."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from training.errors import UserError

# Slurm's event loop may send the signal a minute earlier.
SAVE_SECONDS = 120
LIMIT_SIGNAL = "USR1"
_WORD = re.compile(r"[^\s\0]+")
_LINE = re.compile(r"--?[A-Za-z][^\0]*")
_SIGNAL = re.compile(rf"--signal=B:(SIG)?{LIMIT_SIGNAL}@\d{{1,5}}", re.ASCII)
# What a job needs to be found, followed and stopped; it is set by :mod:`batch_script`.
_OURS = re.compile(
    r"--(job-name|output|error|open-mode|array|parsable|test-only|wrap|wait|nodes|ntasks|"
    r"ntasks-per-node|requeue|no-requeue|chdir|user|uid|ignore-pbs|clusters)\b|-[JoeaWNnDM]"
)


@dataclass(frozen=True)
class JobOptions:
    """What a person asks of the queue.

    Parameters
    ----------
    partition, account, qos, gres, time : str
        As sbatch's options of these names take them; empty: what the queue gives.
    nodes : int
        How many machines a job takes.
    requeue : bool
        Whether a run goes on in another job after the time limit, or after a lost node.
    lines : tuple of str
        Further options, one each, such as ``--mem=64G``; a leading ``#SBATCH`` is passed over.

    Raises
    ------
    UserError
        If one of them is not a single word, or a single option.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    gres: str = ""
    time: str = ""
    nodes: int = 1
    requeue: bool = False
    lines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in self._words():
            if not _WORD.fullmatch(value):
                raise UserError(
                    f"{value!r:.99} is not a {name} of a queue.", "Give one word, as sbatch does."
                )
        for line in self.lines:
            _check_line(line)

    def arguments(self) -> list[str]:
        """Give the arguments of sbatch; a person's lines come last, so that they decide."""
        return [
            *(f"--{name}={value}" for name, value in self._words()),
            f"--nodes={self.nodes}",
            f"--ntasks={self.nodes}",
            "--ntasks-per-node=1",
            "--requeue" if self.requeue else "--no-requeue",
            f"--signal=B:{LIMIT_SIGNAL}@{SAVE_SECONDS}",
            *(part for line in self.lines for part in _split(line)),
        ]

    def _words(self) -> list[tuple[str, str]]:
        """The named options that are given."""
        names = ("partition", "account", "qos", "gres", "time")
        return [(name, value) for name in names if (value := getattr(self, name))]


def _split(line: str) -> list[str]:
    """Divide a line of a batch script into its words; what isn't quoted well has none."""
    try:
        return shlex.split(line.strip().removeprefix("#SBATCH"))
    except ValueError:
        return []


def _check_line(line: str) -> None:
    words = _split(line)
    if not (line.isprintable() and words and _LINE.fullmatch(words[0])):
        raise UserError(
            f"{line!r:.99} is not a #SBATCH line.", "Give one option a line, such as --mem=64G."
        )
    for word in words:
        if _OURS.match(word):
            raise UserError(
                f"{word!r:.99} is not for a #SBATCH line of a profile: napari-unet sets it.",
                "Leave it out; nodes, time and requeue have options of their own.",
            )
    if words[0].startswith("--signal") and not _SIGNAL.fullmatch(line.split()[-1]):
        raise UserError(
            f"{line!r:.99} is not a signal that a training knows.",
            f"Give --signal=B:{LIMIT_SIGNAL}@SECONDS: so long before the time limit it saves.",
        )
