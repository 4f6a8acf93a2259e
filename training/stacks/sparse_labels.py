"""Sparse labels: strokes on a few slices, everything else unknown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.files.untrusted_files import parse_json
from training.label_classes import NO_CHANNEL, NO_CLASSES, LabelClasses
from training.label_convention import LabelConvention
from training.stacks.scaling import Slices

UNKNOWN, MEMBRANE, INSIDE = 0, 1, 2
PADDING = 255  # where there is no tissue; labels that are read say so, those in files don't
_LINE_START = "labels="


def is_known(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the pixels with a label, of a class too: bool, of uint8 codes in any one shape."""
    return np.asarray((codes != UNKNOWN) & (codes != PADDING))


def channels_of(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the channels of codes of classes, both uint8 in any one shape; 255: unknown."""
    return np.where(is_known(codes), codes - np.uint8(1), np.uint8(NO_CHANNEL))


def labelled_slices(labels: Slices) -> list[int]:
    """List the indices of the slices that have a label, of labels (Z, Y, X) of any dtype."""
    return [index for index in range(len(labels)) if np.asarray(labels[index]).any()]


@dataclass(frozen=True)
class LabelNote:
    """What a TIF of labels says of itself, in a line of its ImageDescription.

    The other lines stay ImageJ's, which passes over this one.

    Parameters
    ----------
    convention : LabelConvention or None
        ``sparse``: 0 = unknown, 1 = membrane, 2 = inside. None: numbers of objects.
    corrected_slices : tuple of int
        Slices that a person corrected completely.
    classes : LabelClasses
        Of the convention ``classes``.
    """

    convention: LabelConvention | None = LabelConvention.SPARSE
    corrected_slices: tuple[int, ...] = ()
    classes: LabelClasses = NO_CLASSES

    def line(self) -> str:
        """Write the note as a line."""
        content: dict[str, Any] = {
            "convention": self.convention,
            "corrected_slices": list(self.corrected_slices),
        }
        if self.classes:
            content["classes"] = self.classes.text
        return _LINE_START + json.dumps(content)

    @classmethod
    def find(cls, description: str) -> LabelNote | None:
        """Find the note in a description; None if it is missing or damaged."""
        for line in description.splitlines():
            if line.startswith(_LINE_START):
                try:
                    content: dict[str, Any] = parse_json(line.removeprefix(_LINE_START))
                    corrected: Iterable[Any] = content["corrected_slices"]
                    named = content["convention"]
                    convention = None if named is None else LabelConvention(named)
                    classes = LabelClasses.parse(str(content.get("classes", "")))
                    if bool(classes) != (convention == LabelConvention.CLASSES):
                        return None
                    return cls(convention, tuple(map(int, corrected)), classes)
                except (ValueError, TypeError, KeyError, OverflowError, UserError):
                    return None
        return None
