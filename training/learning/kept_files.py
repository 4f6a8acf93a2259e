"""What a run keeps: files written when they can be, in an order that a resume relies on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from training.errors import UserError
from training.files.atomic_files import UnwritableError, write_atomically
from training.learning.report import Report
from training.runs.run_directory import RunDirectory

What = Literal["best model", "figures", "table", "preview", "checkpoint"]
# The checkpoint last, because a resumed run begins after it.
WRITE_ORDER: tuple[What, ...] = ("best model", "figures", "table", "preview", "checkpoint")


class KeptFiles:
    """Writes the files of a run; what can't be written waits for the next time.

    Parameters
    ----------
    run : RunDirectory
    report : Report
        Warns of what has to wait.
    """

    def __init__(self, run: RunDirectory, report: Report) -> None:
        self._run = run
        self._report = report
        self._waiting: dict[What, tuple[Path, bytes]] = {}

    def put(self, what: What, path: Path, content: bytes) -> None:
        """Queue a file to write; it takes the place of one of its kind that still waits."""
        self._waiting[what] = path, content

    def write(self) -> set[Path]:
        """Write what waits, up to the first file that can't be written, a preview left out.

        Returns
        -------
        written : set of Path

        Raises
        ------
        UserError
            If the run's folder has vanished.
        """
        written = set()
        for what in WRITE_ORDER:
            if what not in self._waiting:
                continue
            path, content = self._waiting[what]
            try:
                write_atomically(path, content)
            except UnwritableError as error:
                self._check_folder()
                self._report.warn(f"The {what} waits to be written: {error.problem}")
                if what != "preview":
                    break
                continue
            del self._waiting[what]
            written.add(path)
        return written

    def check(self) -> None:
        """Refuse to end while anything but the preview still waits.

        Raises
        ------
        UserError
            If something does; it names what, and the folder.
        """
        left = [what for what in WRITE_ORDER if what in self._waiting and what != "preview"]
        if left:
            raise UserError(
                f"The training came to its end, but its {', '.join(left)} can't be written "
                f"to {self._run.path}.",
                "Make room there, then resume the run: it goes on from its newest checkpoint.",
            )

    def _check_folder(self) -> None:
        try:
            self._run.path.stat()
        except FileNotFoundError:
            raise UserError(
                f"The folder of the run has vanished: {self._run.path}.",
                "Nothing of it can be kept; start a new run.",
            ) from None
        except OSError:
            return  # a disk that can't be reached just now may come back


def prune_checkpoints(run: RunDirectory, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints; the best is not among them.

    Raises
    ------
    OSError
        If one can't be deleted.
    """
    for path in run.list_checkpoints()[:-keep]:
        path.unlink(missing_ok=True)
