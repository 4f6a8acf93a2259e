"""Layers lie in the order in which files were opened, although a later one may be read first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from napari import Viewer, current_viewer
from napari.layers import Layer
from qtpy.QtCore import QTimer


@contextmanager
def opened_first() -> Iterator[None]:
    """Read a file whose layers napari adds at once afterwards, below those added meanwhile.

    A person may open another file while this one is read, and napari adds that one first.
    """
    viewer = current_viewer()
    if viewer is None:
        yield
        return
    later: list[Layer] = []

    def note(event: Any) -> None:
        if event.index == len(viewer.layers) - 1:  # on top, as what is opened is
            later.append(event.value)

    viewer.layers.events.inserted.connect(note)
    try:
        yield
    finally:
        viewer.layers.events.inserted.disconnect(note)
    if later:
        QTimer.singleShot(0, partial(_bring_to_top, viewer, later))


def _bring_to_top(viewer: Viewer, later: list[Layer]) -> None:
    for layer in [layer for layer in viewer.layers if layer in later]:
        viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
