"""Shares of an image that several processes do, each by itself, without a word between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Which of an image's slices a process does: each ``of``-th, from the ``number``-th on.

    Parameters
    ----------
    number, of : int
        From 1 on.
    """

    number: int = 1
    of: int = 1

    def of_slices(self, count: int) -> range:
        """Give the indices of its slices among so many."""
        return range(self.number - 1, count, self.of)


WHOLE = Share()
