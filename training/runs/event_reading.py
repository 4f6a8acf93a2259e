"""Reads events, all of them or only what a state of the run needs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from training.errors import UserError
from training.files.untrusted_files import open_regular, parse_json
from training.runs.event_fields import is_event

KEPT_EVENTS = 500  # the newest of each kind
PIECE = 4 * 2**20  # bytes that are read at once
NEWEST_BYTES = 2 * PIECE  # of a file; the newest steps are sought there
LONGEST_LINE = 64 * 2**20

Event = dict[str, Any]
# What is parsed of a piece's steps: all, the losses of all but the newest, the last step alone.
Detail = Literal["all", "losses", "last"]

_STEP_START = b'{"kind": "step",'
_PREVIEW_START = b'{"kind": "preview",'
_STEP = re.compile(rb'"step": (\d{1,15}),')
_LOSS = re.compile(rb'"loss": ([\d.e+-]+), ')


def complete_length(content: bytes) -> int:
    """Length in bytes of the finished lines at the start of ``content``."""
    return content.rfind(b"\n") + 1


def parse_events(content: bytes, detail: Detail = "all", newest: int = KEPT_EVENTS) -> list[Event]:
    """The events in the finished lines of ``content``; anything else is passed over.

    Of steps that are not parsed wholly there is the kind ``losses``, with the lists ``steps`` and
    ``losses``, or nothing. With the detail ``losses``, ``newest`` is how many steps are parsed,
    and of the previews there is the last.
    """
    lines = content[: complete_length(content)].splitlines()
    if detail == "all":
        return list(_parsed(lines))
    length = len(_STEP_START)
    others = [place for place, line in enumerate(lines) if line[:length] != _STEP_START]
    previews = [place for place in others if lines[place].startswith(_PREVIEW_START)]
    outdated = set(previews[:-1]) if detail == "losses" else set()
    begin = _begin_of_newest(len(lines), others, 1 if detail == "last" else newest)
    events: list[Event] = []
    done = 0
    for place in [*takewhile(lambda one: one < begin, others), begin]:
        if detail == "losses" and done < place:
            events += _losses(lines[done:place])
        if place not in outdated:
            events += _parsed(lines[place : place + 1])
        done = place + 1
    return [*events, *_parsed(lines[done:])]


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Events from a byte offset on, and the offset to go on from next time.

    A file that does not exist yet has no events.
    """
    found: list[Event] = []
    for events, after in read_pieces(path, offset, "all"):
        found += events
        offset = after
    return found, offset


def read_pieces(path: Path, offset: int, detail: Detail) -> Iterator[tuple[list[Event], int]]:
    """Events from a byte offset on, piece by piece, each with the offset after it.

    A file that does not exist yet has no pieces. Nothing is read beyond a line that is longer
    than ``LONGEST_LINE``.

    Raises
    ------
    UserError
        If it can't be read, or is no file.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from error
    with file:
        size = PIECE
        length = os.fstat(file.fileno()).st_size
        while True:
            file.seek(offset)
            content = file.read(size)
            whole = complete_length(content)
            if whole:
                offset, size = offset + whole, PIECE
                is_old = length - offset > NEWEST_BYTES
                yield parse_events(content, detail, 1 if is_old else KEPT_EVENTS), offset
            elif len(content) < size or size >= LONGEST_LINE:
                return
            else:
                size *= 2  # a line that is longer than a piece


def _parsed(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            event = parse_json(line)
        except ValueError:
            continue
        if is_event(event):
            yield event


def _begin_of_newest(count: int, others: list[int], wanted: int) -> int:
    """From which line on there are so many steps, given the places of the lines that are none."""
    begin = count
    for place in [*reversed(others), -1]:
        if begin - place - 1 >= wanted:
            return begin - wanted
        wanted -= begin - place - 1
        begin = place
    return 0


def _losses(steps: list[bytes]) -> Iterable[Event]:
    """Only the losses of steps that ``EventLog`` wrote one after the other: that is quick."""
    ends = _STEP.findall(b"\n".join(steps[:1] + steps[-1:]))
    texts = _LOSS.findall(b"\n".join(steps))
    if len(texts) == len(steps) and len(ends) == 2:
        first, last = int(ends[0]), int(ends[-1])
        with suppress(ValueError):
            losses = list(map(float, texts))
            if last - first + 1 == len(losses) and math.isfinite(sum(losses)):
                return [{"kind": "losses", "steps": range(first, last + 1), "losses": losses}]
    return _parsed(steps)
