"""What the values of a label image mean."""

from __future__ import annotations

from enum import StrEnum


class LabelConvention(StrEnum):
    """Which values of a label image are membrane. The names are those of files and options."""

    ISBI = "isbi"
    """0 is membrane, every other value is inside: the files of the ISBI 2012 challenge."""

    MEMBRANE = "membrane"
    """Every other value than 0 is membrane."""

    SPARSE = "sparse"
    """0 is unknown, 1 is membrane, 2 is inside: strokes on some slices."""

    INSTANCES = "instances"
    """Each cell has a number; 0 and the borders between numbers are membrane."""


FINISHED_CONVENTIONS = (
    LabelConvention.ISBI,
    LabelConvention.MEMBRANE,
    LabelConvention.INSTANCES,
)
"""Those in which every pixel is labelled."""
