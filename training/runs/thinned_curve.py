"""A curve of any number of samples in bounded memory.

Written by hand, because plot libraries thin out what they draw, and keep all of it in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_POINTS = 4096  # more than a screen has columns


class ThinnedCurve:
    """A curve of at most ``MAX_POINTS`` points, each of as many samples as there must be.

    A point is of one sample until there are more samples than points; from then on of two,
    then of four. It keeps their mean, and the lowest and the highest, so that no peak is lost.

    Parameters
    ----------
    count : int
        Samples in all.
    stride : int
        Samples of a point, a power of two; the last point may have fewer.
    steps, sums, lowest, highest : arrays (N,) of float
        An entry a point; ``steps`` are those of the points' last samples.
    """

    def __init__(
        self,
        count: int = 0,
        stride: int = 1,
        steps: Sequence[float] | NDArray[np.float64] = (),
        sums: Sequence[float] | NDArray[np.float64] = (),
        lowest: Sequence[float] | NDArray[np.float64] = (),
        highest: Sequence[float] | NDArray[np.float64] = (),
    ) -> None:
        self.count = count
        self.stride = stride
        self.steps = np.asarray(steps, np.float64)
        self.sums = np.asarray(sums, np.float64)
        self.lowest = np.asarray(lowest, np.float64)
        self.highest = np.asarray(highest, np.float64)

    def __len__(self) -> int:
        """Number of points."""
        return len(self.steps)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ThinnedCurve):
            return NotImplemented
        pairs = zip(self._columns, other._columns, strict=True)
        return self.count == other.count and all(np.array_equal(*pair) for pair in pairs)

    __hash__ = None  # type: ignore[assignment]

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each point's samples, array (N,) of float64."""
        counts = np.full(len(self), self.stride)
        if len(self):
            counts[-1] = self.count - self.stride * (len(self) - 1)
        return np.asarray(self.sums / counts)

    def append(self, steps: Sequence[float], values: Sequence[float]) -> ThinnedCurve:
        """Return the curve with some more samples; this one is left as it was.

        Parameters
        ----------
        steps, values : sequences of float, equally long
            Steps ascend.
        """
        if not len(steps):
            return self
        total = self.count + len(steps)
        stride = self.stride
        while total > MAX_POINTS * stride:
            stride *= 2
        former = np.arange(len(self)) * self.stride
        point = np.concatenate([former, np.arange(self.count, total)]) // stride
        firsts = np.flatnonzero(np.diff(point, prepend=-1))
        new = np.asarray(values, np.float64)
        return ThinnedCurve(
            total,
            stride,
            np.maximum.reduceat(np.concatenate([self.steps, steps]), firsts),
            np.add.reduceat(np.concatenate([self.sums, new]), firsts),
            np.minimum.reduceat(np.concatenate([self.lowest, new]), firsts),
            np.maximum.reduceat(np.concatenate([self.highest, new]), firsts),
        )

    def until(self, step: float) -> ThinnedCurve:
        """Keep the points that are wholly of this step and of those before it."""
        kept = int(np.count_nonzero(self.steps <= step))
        if kept == len(self):
            return self
        columns = (column[:kept] for column in self._columns)
        return ThinnedCurve(kept * self.stride, self.stride, *columns)

    @property
    def _columns(self) -> tuple[NDArray[np.float64], ...]:
        return self.steps, self.sums, self.lowest, self.highest
