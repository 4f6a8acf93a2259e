"""Reads events, all of them or only what a state of the run needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

KEPT_EVENTS = 1000  # the newest of each kind
PIECE = 4 * 2**20  # bytes that are read at once

Event = dict[str, Any]
# What is parsed of a piece's steps: all, the losses of all but the newest, the last step alone.
Detail = Literal["all", "losses", "last"]

_STEP_START = b'{"kind": "step",'
_LOSS = re.compile(
    rb'\{"kind": "step", "time": [^,{}"]+, "step": (\d+), "epoch": \d+, "loss": ([-+.\de]+), '
)


def complete_length(content: bytes) -> int:
    """Length in bytes of the finished lines at the start of ``content``."""
    return content.rfind(b"\n") + 1


def parse_events(content: bytes, detail: Detail = "all") -> list[Event]:
    """The events in the finished lines of ``content``; anything else is passed over.

    Of steps that are not parsed wholly there is the kind ``loss``, with step and loss, or nothing.
    """
    lines = content[: complete_length(content)].splitlines()
    if detail == "all":
        return list(_parsed(lines))
    is_step = [line.startswith(_STEP_START) for line in lines]
    places = [place for place, is_one in enumerate(is_step) if is_one]
    newest = places[-(1 if detail == "last" else KEPT_EVENTS) :]
    begin = newest[0] if newest else 0
    older: Iterable[bytes] = lines[:begin]
    if detail == "last":
        older = (line for line in older if not line.startswith(_STEP_START))
        return [*_parsed(older), *_parsed(lines[begin:])]
    return [*_losses(older), *_parsed(lines[begin:])]


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

    A file that does not exist yet has no pieces.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        size = PIECE
        while True:
            file.seek(offset)
            content = file.read(size)
            whole = complete_length(content)
            if whole:
                offset, size = offset + whole, PIECE
                yield parse_events(content, detail), offset
            elif len(content) < size:
                return
            else:
                size *= 2  # a line that is longer than a piece


def _parsed(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "kind" in event:
            yield event


def _losses(lines: Iterable[bytes]) -> Iterator[Event]:
    """Of a step as :class:`EventLog` writes it only step and loss, which is a few times faster."""
    for line in lines:
        found = _LOSS.match(line)
        if found is None:
            yield from _parsed([line])
        else:
            yield {"kind": "loss", "step": int(found[1]), "loss": float(found[2])}
