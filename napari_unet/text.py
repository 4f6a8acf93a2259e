"""Texts from elsewhere, such as names of runs and what a server said, made fit to be shown."""

from __future__ import annotations

import html

from training.console import printable


def line(text: str) -> str:
    """Make a text printable in one line, for a name within a sentence or a table."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def as_html(text: str) -> str:
    """A text as part of rich text, in which it is no markup."""
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
        text += f", {duration(elapsed / done * (total - done))} left"
    return text


def duration(seconds: float) -> str:
    """A length of time as people say it: 8 s, 3 min, 1 h 5 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_seconds(seconds: float) -> str:
    """A duration in its two largest units: "45 s", "2 min 5 s", "1 h 10 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
