"""How far a work of several steps is, in words."""

from __future__ import annotations


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
