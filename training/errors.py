"""The one way in which this project says to a person what went wrong."""

from __future__ import annotations

import re
from typing import Any

from training import __version__

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

    def __reduce__(self) -> tuple[Any, ...]:
        """Let other processes raise it as what it is, whatever its class is made from."""
        return _made_again, (type(self), *self.args), self.__dict__


def _made_again(kind: type[UserError], problem: str, remedy: str) -> UserError:
    error = kind.__new__(kind)
    UserError.__init__(error, problem, remedy)
    return error


def raise_interrupt(error: Exception) -> None:
    """Raise the KeyboardInterrupt that an error hides: Ctrl-C in a C function is a SystemError.

    Call it before an error of a library is told as something else.
    """
    if isinstance(error, SystemError) and isinstance(error.__cause__, KeyboardInterrupt):
        raise error.__cause__


def blame_version(error: UserError, source: str, version: Any) -> UserError:
    """Give the error to raise for a document that can't be read, by the version that wrote it.

    Parameters
    ----------
    error : UserError
        What is wrong with the document; given back where no newer version explains it.
    source : str
        The document.
    version : any
        What it says of the version that wrote it.
    """
    if not isinstance(version, str) or _numbers(version) <= _numbers(__version__):
        return error
    return UserError(
        f"{source} was written by version {version:.20}, newer than this one, {__version__}: "
        f"{error.problem}",
        "Install that version here.",
    )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d{1,9}", version)[:3]]
