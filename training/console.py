"""What both packages print: no text of someone else controls the terminal."""

from __future__ import annotations

import logging
import re
import sys

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def say(text: str, *, end: str = "\n", to_stderr: bool = False) -> None:
    """Print a text at once, made printable: the only way in which these packages print.

    Parameters
    ----------
    text : str
        May hold names and messages from anywhere.
    end : str
        Is printed after it as it is.
    to_stderr : bool
        Print on the standard error instead of the standard output.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    print(printable(text), end=end, file=stream, flush=True)


def printable(text: str) -> str:
    """Give a text that does nothing to a terminal: controls, and half characters, as codes.

    Line ends and tabs stay.
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def set_up_console() -> None:
    """Make what libraries log printable as well, because they quote files and servers."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_LogFormatter())


class _LogFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
