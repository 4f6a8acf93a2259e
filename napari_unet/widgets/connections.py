"""Connections from a viewer to a widget that end with the widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject


class Connections:
    """Connects events and keys of napari to methods of a widget for as long as it lives.

    napari forgets callbacks only when Python collects them; by then Qt may have deleted the
    widget long ago, and the callback would fail.

    Parameters
    ----------
    widget : QObject
        With it, the connections end.
    """

    def __init__(self, widget: QObject) -> None:
        self._ends: list[Callable[[], None]] = []
        widget.destroyed.connect(lambda: self.clear())

    def add(self, emitter: Any, callback: Callable[..., None]) -> None:
        """Connect an emitter, such as ``viewer.layers.events.removed``."""
        emitter.connect(callback)
        self._ends.append(lambda: emitter.disconnect(callback))

    def bind_key(self, viewer: Any, key: str, callback: Callable[..., None]) -> None:
        """Bind a key of the canvas, in napari's notation."""
        viewer.bind_key(key, callback, overwrite=True)
        self._ends.append(lambda: viewer.bind_key(key, None, overwrite=True))

    def clear(self) -> None:
        """End the connections made so far."""
        for end in self._ends:
            end()
        self._ends = []
