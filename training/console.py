"""What both packages print: no text of someone else controls the terminal."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO, TextIO

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MOST_NAMES = 8  # slices that a sentence names


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


def warn(text: str) -> None:
    """Print a warning on the standard error, unless it is empty."""
    if text:
        say(f"Warning: {text}", to_stderr=True)


def hint(text: str) -> None:
    """Print a hint on the standard error, unless it is empty: it may be of no importance."""
    if text:
        say(f"Hint: {text}", to_stderr=True)


def printable(text: str) -> str:
    """Give a text that does nothing to a terminal: controls, and half characters, as codes.

    Line ends and tabs stay.
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def format_duration(seconds: float) -> str:
    """Write a duration in its two largest units: "45 s", "2 min 5 s", "1 h 10 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def list_slices(slices: Sequence[int]) -> str:
    """Name slices in a text, the first eight of many: "3, 9"."""
    return ", ".join(map(str, slices[:_MOST_NAMES])) + (", …" if len(slices) > _MOST_NAMES else "")


def begin_with_slices(slices: Sequence[int], of: str, singular: str, plural: str) -> str:
    """Begin a sentence about some slices, at least one: "Slices 3 and 9 of the labels have"."""
    noun, verb = ("Slice", singular) if len(slices) == 1 else ("Slices", plural)
    is_short = len(slices) <= _MOST_NAMES
    listed = list_names([*map(str, slices)]) if is_short else list_slices(slices)
    return f"{noun} {listed} {of} {verb}"


def list_names(names: Sequence[str]) -> str:
    """Name things in a sentence: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def set_up_console() -> None:
    """Prepare a program's standard streams; to be called first.

    What libraries log becomes printable as well, because they quote files and servers. Streams
    that are closed lead nowhere: else the next file that is opened would take their place.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, "w" if descriptor else "r"))  # noqa: PTH123, SIM115
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_LogFormatter())


@contextmanager
def lossy_output(log: IO[bytes] | None = None) -> Iterator[None]:
    """Lose what can't be printed, and go on: a full disk or a closed terminal ends no training.

    Parameters
    ----------
    log : file or None
        Unbuffered; gets what is printed as well, unless that goes there already.
    """
    output, errors = (_lossy(stream, log) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(output), redirect_stderr(errors):
        yield


def _lossy(stream: TextIO, log: IO[bytes] | None) -> TextIO | _LossyStream:
    try:
        return _LossyStream(stream.fileno(), log)
    except io.UnsupportedOperation:  # it is in memory, where nothing gets lost
        return stream


class _LossyStream(io.TextIOBase):
    """Writes at once, and without a buffer, which would keep what can't be written."""

    encoding = "utf-8"

    def __init__(self, descriptor: int, log: IO[bytes] | None) -> None:
        self._descriptor = descriptor
        is_log = log is not None and os.path.sameopenfile(descriptor, log.fileno())
        self._log = None if is_log else log

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        content = text.encode(errors="replace")
        with suppress(OSError):
            os.write(self._descriptor, content)
        if self._log is not None:
            with suppress(OSError):
                self._log.write(content)
        return len(text)


class _LogFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
