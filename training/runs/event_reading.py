"""Reads events, all of them or only what a state of the run needs.

A run of days has a million of them: a file is read in pieces, and old steps are not parsed whole.
Readers ignore unknown kinds and an unfinished last line.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from training.errors import UserError
from training.files.untrusted_files import open_regular, parse_json
from training.runs.events import Event, is_event

KEPT_EVENTS = 500  # the newest of each kind
PIECE = 4 * 2**20  # bytes that are read at once
NEWEST_BYTES = 2 * PIECE  # of a file; the newest steps are sought there
LONGEST_LINE = 64 * 2**20

_STEP_START = b'{"kind": "step",'
_PREVIEW_START = b'{"kind": "preview",'
_STEP = re.compile(rb'"step": (\d{1,15}),')
_LOSS = re.compile(rb'"loss": ([\d.e+-]+), ')


class Losses(NamedTuple):
    """The losses of steps that were not parsed whole."""

    steps: range
    values: list[float]


class Piece(NamedTuple):
    """A part of a file, with at least one finished line.

    Parameters
    ----------
    content : bytes
        Its lines; the last may be unfinished.
    end : int
        The byte offset after the finished lines.
    is_old : bool
        Whether the newest steps are not sought here, but further on.
    """

    content: bytes
    end: int
    is_old: bool


def complete_length(content: bytes) -> int:
    """Measure the finished lines at the start of ``content``, in bytes."""
    return content.rfind(b"\n") + 1


def parse_events(content: bytes) -> list[Event]:
    """Parse every event in the finished lines of ``content``; anything else is passed over."""
    return list(_parse(_finished_lines(content)))


def parse_progress(content: bytes, newest: int = KEPT_EVENTS) -> list[Event | Losses]:
    """Parse the events for a state with curves: of older steps only the losses.

    Parameters
    ----------
    content : bytes
        As for :func:`parse_events`.
    newest : int
        How many steps are parsed whole. Only the last of the previews before them is given.
    """
    lines = _finished_lines(content)
    others = _places_between_steps(lines)
    begin = _begin_of_newest(len(lines), others, newest)
    previews = [place for place in others if lines[place].startswith(_PREVIEW_START)]
    outdated = set(previews[:-1])
    events: list[Event | Losses] = []
    start = 0
    for place in others:
        if place >= begin:
            break
        if start < place:
            events += _losses(lines[start:place])
        if place not in outdated:
            events += _parse(lines[place : place + 1])
        start = place + 1
    if start < begin:
        events += _losses(lines[start:begin])
    return [*events, *_parse(lines[begin:])]


def parse_summary(content: bytes) -> list[Event]:
    """Parse the events in the finished lines of ``content``, of the steps the last alone."""
    lines = _finished_lines(content)
    others = _places_between_steps(lines)
    begin = _begin_of_newest(len(lines), others, 1)
    earlier = [lines[place] for place in others if place < begin]
    return list(_parse(earlier + lines[begin:]))


def read_pieces(path: Path, offset: int) -> Iterator[Piece]:
    """Read a file of events from a byte offset on.

    A file that does not exist yet has no pieces. Nothing is read beyond a line that is longer
    than ``LONGEST_LINE``.

    Raises
    ------
    UserError
        If it can't be read, or is not a file.
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
                yield Piece(content, offset, length - offset > NEWEST_BYTES)
            elif len(content) < size or size >= LONGEST_LINE:
                return
            else:
                size *= 2  # a line that is longer than a piece


def _finished_lines(content: bytes) -> list[bytes]:
    return content[: complete_length(content)].splitlines()


def _places_between_steps(lines: list[bytes]) -> list[int]:
    """List the places of the lines that are not steps."""
    length = len(_STEP_START)
    return [place for place, line in enumerate(lines) if line[:length] != _STEP_START]


def _begin_of_newest(count: int, others: list[int], wanted: int) -> int:
    """Find the line from which on there are so many steps, given the places of other lines."""
    begin = count
    for place in [*reversed(others), -1]:
        if begin - place - 1 >= wanted:
            return begin - wanted
        wanted -= begin - place - 1
        begin = place
    return 0


def _parse(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            event = parse_json(line)
        except ValueError:
            continue
        if is_event(event):
            yield event


def _losses(steps: list[bytes]) -> Iterable[Event | Losses]:
    """Parse only the losses of steps that ``EventLog`` wrote one after the other: it is quick."""
    ends = _STEP.findall(b"\n".join(steps[:1] + steps[-1:]))
    texts = _LOSS.findall(b"\n".join(steps))
    if len(texts) == len(steps) and len(ends) == 2:
        first, last = int(ends[0]), int(ends[-1])
        with suppress(ValueError):
            losses = list(map(float, texts))
            if last - first + 1 == len(losses) and math.isfinite(sum(losses)):
                return [Losses(range(first, last + 1), losses)]
    return _parse(steps)
