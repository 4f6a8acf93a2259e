"""Texts from elsewhere, such as names of runs and what a server said, made fit to be shown."""

from __future__ import annotations

import html
import re
import shlex

from training.console import format_duration, printable

_LONG_WORD = re.compile(r"[^\s/-]{37,}")  # lines break after a slash or a hyphen


def line(text: str) -> str:
    """Make a text printable in one line, for a name within a sentence or a table."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def as_argument(name: str) -> str:
    """Write a name as it is typed after a command and its options."""
    return f"-- {shlex.quote(name)}" if name.startswith("-") else shlex.quote(name)


def shorten_words(text: str) -> str:
    """Leave out the middle of words that would make a dock wider than it is."""
    return _LONG_WORD.sub(lambda word: f"{word[0][:22]}…{word[0][-12:]}", text)


def as_html(text: str) -> str:
    """Make a text part of rich text, without any markup of its own."""
    return html.escape(printable(text)).replace("\n", "<br>")


def as_notification(text: str) -> str:
    """Make a text one of napari's notifications: markup where napari might take it for markup."""
    return f"<span>{as_html(text)}</span>" if "<" in text or "&" in text else printable(text)


def progress_text(done: int, total: int, elapsed: float, what: str = "Slice") -> str:
    """Slices done, and how long the rest takes at the pace so far.

    Parameters
    ----------
    done, total : int
        Slices, or other parts of the work.
    elapsed : float
        Seconds since the begin.
    what : str
        What one of them is called.
    """
    text = f"{what} {done} of {total}"
    if 0 < done < total:
        text += f", {format_duration(elapsed / done * (total - done))} left"
    return text
