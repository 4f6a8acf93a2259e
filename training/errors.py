"""The one way in which this project says to a person what went wrong."""

from __future__ import annotations

OPEN_FILES_REMEDY = "Raise the limit of open files: ulimit -n 4096."


class UserError(Exception):
    """A problem that the person can mend: bad input, a missing file, a busy device.

    Parameters
    ----------
    problem : str
        One sentence: what is wrong, and in which file, layer or option.
    remedy : str, optional
        One sentence: what to do about it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".rstrip()
