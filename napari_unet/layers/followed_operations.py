"""How many operations on neurons the saved pixels of a layer have.

A project writes the list of operations before pixels that have them. What is noted here tells which
operations the pixels lack after a crash.
"""

from __future__ import annotations

from collections.abc import Sized
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from napari.layers import Labels, Layer

# The OperationList of a layer of neurons, for as long as the layer is in the window.
LINES_KEY = "operation_lines"
SAVED_KEY = "operations_saved"  # lines of a list by its name; kept by projects
_FOLLOWED_KEY = "operations_followed"  # the lists by their names
Counts = dict[str, int]


def follow(layer: Labels, name: str, lines: Sized, before: int = 0) -> None:
    """Note that the pixels of a layer have all operations of a list from now on.

    Parameters
    ----------
    layer : Labels
        The neurons, or a mask that follows them.
    name : str
        Of the list.
    lines : sized
        The list, which grows once pixels were changed.
    before : int
        How many lines they had when they were saved, if nothing was noted of that yet.
    """
    layer.metadata[SAVED_KEY] = {name: before} | layer.metadata.get(SAVED_KEY, {})
    layer.metadata[_FOLLOWED_KEY] = layer.metadata.get(_FOLLOWED_KEY, {}) | {name: lines}


def note_saving(layer: Labels) -> bool:
    """Note that all pixels of a layer are about to be saved, before its metadata are.

    Returns
    -------
    bool
        Whether operations have changed pixels since it was noted last: any slice then.
    """
    followed: dict[str, Sized] = layer.metadata.get(_FOLLOWED_KEY, {})
    former: Counts = layer.metadata.get(SAVED_KEY, {})
    counts = former | {name: len(lines) for name, lines in followed.items()}
    if counts == former:
        return False
    layer.metadata[SAVED_KEY] = counts
    return True


def no_operation(layer: Layer) -> AbstractContextManager[Any]:
    """While it is entered, no operation changes the pixels of a layer of neurons."""
    lines = layer.metadata.get(LINES_KEY)
    return nullcontext() if lines is None else lines.under_way


def saved_count(layer: Labels, name: str) -> int | None:
    """Give how many lines of a list the saved pixels have; None if the layer never followed it."""
    counts: Counts = layer.metadata.get(SAVED_KEY, {})
    return counts.get(name)


def are_counts(value: Any) -> bool:
    """Return whether a value of a project's record can be such counts."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and type(count) is int and count >= 0 for name, count in value.items()
    )
