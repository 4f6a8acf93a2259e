"""Texts from elsewhere, such as names of runs and what a server said, made fit to be shown."""

from __future__ import annotations

import html
from collections.abc import Sequence

from training.console import format_duration, printable

_MOST_NAMES = 8  # slices that a sentence names


def line(text: str) -> str:
    """Make a text printable in one line, for a name within a sentence or a table."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def as_html(text: str) -> str:
    """Make a text part of rich text, without any markup of its own."""
    return html.escape(printable(text)).replace("\n", "<br>")


def progress_text(done: int, total: int, elapsed: float) -> str:
    """Slices done, and how long the rest takes at the pace so far.

    Parameters
    ----------
    done, total : int
        Slices.
    elapsed : float
        Seconds since the begin.
    """
    text = f"Slice {done} of {total}"
    if 0 < done < total:
        text += f", {format_duration(elapsed / done * (total - done))} left"
    return text


def list_slices(slices: Sequence[int]) -> str:
    """Name slices in a text, the first eight of many: "3, 9"."""
    return ", ".join(map(str, slices[:_MOST_NAMES])) + (", …" if len(slices) > _MOST_NAMES else "")


def list_names(names: Sequence[str]) -> str:
    """Name things in a sentence: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
