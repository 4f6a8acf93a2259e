"""How many operations on neurons the pixels of a layer have, as they are and as they are saved.

A project adds an operation to its list at once, and saves pixels a second later. What is noted
here tells which operations the pixels lack after a crash.
"""

from __future__ import annotations

from typing import Any

from napari.layers import Labels

SAVED_KEY = "operations_saved"  # lines of a list by its name; kept by projects
_SHOWN_KEY = "operations_shown"
Counts = dict[str, int]


def note_shown(layer: Labels, name: str, count: int, before: int = 0) -> None:
    """Note how many lines of a list a layer's pixels have, before the layer is drawn.

    Parameters
    ----------
    layer : Labels
        The neurons, or a mask that follows them.
    name : str
        Of the list.
    count : int
    before : int
        How many they had when they were saved, if nothing was noted of that yet.
    """
    layer.metadata[SAVED_KEY] = {name: before} | layer.metadata.get(SAVED_KEY, {})
    layer.metadata[_SHOWN_KEY] = layer.metadata.get(_SHOWN_KEY, {}) | {name: count}


def note_saving(layer: Labels) -> None:
    """Note that all changed pixels of a layer are about to be saved, before its metadata are."""
    if _SHOWN_KEY in layer.metadata:
        layer.metadata[SAVED_KEY] = layer.metadata.get(SAVED_KEY, {}) | layer.metadata[_SHOWN_KEY]


def saved_count(layer: Labels, name: str) -> int | None:
    """Give how many lines of a list the saved pixels have; None if the layer never followed it."""
    counts: Counts = layer.metadata.get(SAVED_KEY, {})
    return counts.get(name)


def are_counts(value: Any) -> bool:
    """Return whether a value of a project's record can be such counts."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and type(count) is int and count >= 0 for name, count in value.items()
    )
