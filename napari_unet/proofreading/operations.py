"""What a person asked for while mending neurons, told by places rather than by ids."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_POINTS = 100_000  # of an operation
Kind = Literal["merge", "split", "cut", "delete", "new", "done"]
Point = tuple[int, int, int]  # (z, y, x), in pixels of the labels
Stroke = tuple[Point, ...]


class Operation(BaseModel):
    """One operation; it can be done on another segmentation of the same image.

    Parameters
    ----------
    kind : str
        ``merge`` the neurons under all points; ``split`` the neuron under two strokes; ``cut`` it
        along one, right across it in its slice and on through all others; ``delete``, or mark as
        ``done``, the neuron under the first point; ``new`` where nothing is labelled under a
        stroke.
    strokes : tuple of strokes
        Points (z, y, x) in pixels of the labels; two strokes of a split, one of the others.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: Kind
    strokes: tuple[Stroke, ...] = Field(min_length=1, max_length=2, strict=False)

    @property
    def points(self) -> Stroke:
        """The points of all strokes."""
        return tuple(point for stroke in self.strokes for point in stroke)
