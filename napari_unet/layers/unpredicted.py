"""Slices of a predicted layer that nothing was predicted of yet, although they look empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from training.console import begin_with_slices
from training.stacks.stack_axes import as_stack

if TYPE_CHECKING:
    from napari.layers import Layer

# In the metadata of a predicted mask, classes or neurons: list of the slices not predicted yet.
UNPREDICTED_KEY = "unpredicted_slices"


def note_unpredicted(layer: Layer, length: int, predicted: Iterable[int]) -> None:
    """Keep in a layer which of its slices, so many, are not predicted."""
    missing = sorted({*range(length)}.difference(predicted))
    layer.metadata.pop(UNPREDICTED_KEY, None)
    if missing:
        layer.metadata[UNPREDICTED_KEY] = missing


def unpredicted_slices(layer: Layer) -> list[int]:
    """List the slices that a layer says are not predicted; a person may have painted on them."""
    return list(layer.metadata.get(UNPREDICTED_KEY, []))


def inherited(layer: Layer) -> dict[str, Any]:
    """Give the metadata of a layer that is made of another one, whose slices are missing too."""
    noted = unpredicted_slices(layer)
    return {UNPREDICTED_KEY: noted} if noted else {}


def find_unpredicted(noted: Collection[int], pixels: Any) -> list[int]:
    """List the slices that were neither predicted nor painted on; it reads those in question.

    Parameters
    ----------
    noted : collection of int
        Those that the layer says are not predicted.
    pixels : array (Z, Y, X) or (Y, X) of int
        The layer's.
    """
    stack = as_stack(pixels) if noted else []
    return [index for index, page in enumerate(stack) if index in noted and not np.any(page)]


def unpredicted_note(slices: Collection[int], name: str) -> str:
    """Say in a sentence that slices of a layer are not predicted; empty for none."""
    if not slices:
        return ""
    begin = begin_with_slices(sorted(slices), f"of '{name}'", "is", "are")
    return f"{begin} not predicted, and {'looks' if len(slices) == 1 else 'look'} empty."
