"""Writes what happens in a run, one JSON object a line. The kinds are in ``events``."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from training.console import say
from training.errors import UserError
from training.files.append_files import append_whole, open_to_append
from training.files.atomic_files import UnwritableError
from training.runs.event_reading import PIECE, complete_length
from training.runs.events import Failed

MOST_WAITING = 10_000  # events, while the disk is full


class EventLog:
    """Appends events to a file. A line that a killed process left unfinished is cut off.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UnwritableError
        If it can't be opened for writing, is a link, or is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = open_to_append(path)
            self._file.truncate(_complete_size(self._file))
        except OSError as error:
            raise UnwritableError(path, error) from error
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)

    def append(self, kind: str, **values: Any) -> None:
        """Write an event, after those that could not be written before.

        Raises
        ------
        OSError
            If it can't be written: it waits for the next call.
        """
        line = json.dumps({"kind": kind, "time": time.time(), **values}, allow_nan=False)
        self._waiting.append(line.encode() + b"\n")
        append_whole(self._file, b"".join(self._waiting))
        self._waiting.clear()

    def close(self) -> None:
        """Have the file safe on the disk, and close it."""
        with self._file:
            os.fsync(self._file.fileno())


def failed_event(error: UserError, traceback: str) -> Failed:
    """Make the event of a run that failed now.

    Parameters
    ----------
    error : UserError
        Why, and what to do about it.
    traceback : str
        What a programmer needs: a traceback, or the end of a log.
    """
    return {
        "kind": "failed",
        "time": time.time(),
        "message": error.problem,
        "remedy": error.remedy,
        "traceback": traceback,
    }


def write_failure(path: Path, error: UserError, traceback: str) -> None:
    """Append a ``failed`` event to a file, or print why that can't be done.

    Parameters are those of :func:`failed_event`, after the path of the file.
    """
    try:
        with closing(EventLog(path)) as log:
            log.append(**failed_event(error, traceback))
    except (OSError, UnwritableError) as unwritten:
        say(f"The failure can't be written to the run's events: {unwritten}", to_stderr=True)


def _complete_size(file: IO[bytes]) -> int:
    """Find the length of the finished lines of a file, from its end."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - PIECE)
        file.seek(begin)
        whole = complete_length(file.read(end - begin))
        if whole:
            return begin + whole
        end = begin
    return 0
