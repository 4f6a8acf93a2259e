"""What ends with a widget, or with an event: connections to a viewer, threads, layers."""

from __future__ import annotations

from collections.abc import Callable
from inspect import ismethod
from typing import Any
from weakref import WeakMethod

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer


class Connections:
    """Connects events and keys of napari to methods of a widget for as long as it lives.

    napari forgets callbacks only when Python collects them; by then Qt may have deleted the
    widget long ago, and the callback would fail.

    Parameters
    ----------
    widget : QObject
        The connections end with it.
    """

    def __init__(self, widget: QObject) -> None:
        self._ends: list[Callable[[], None]] = []
        # Not the method itself: nobody else may keep the connections until then.
        when_deleted(widget, lambda: self.clear())

    def add(self, emitter: Any, callback: Callable[..., object]) -> None:
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


_waiting: set[Callable[..., None]] = set()


def when_deleted(watched: QObject, callback: Callable[[], None]) -> None:
    """Call back once Qt has deleted an object.

    Python may collect a closed widget before Qt deletes it, with all that only the widget's
    connections refer to; PyQt would then call a function that is gone, and crash. So the
    callback is kept here until it is called; a bound method as long as its object lives.
    """
    method: Any = WeakMethod(callback) if ismethod(callback) else lambda: callback

    def _on_destroyed(_: object = None) -> None:
        _waiting.discard(_on_destroyed)
        found = method()
        if found is not None:
            found()

    _waiting.add(_on_destroyed)
    watched.destroyed.connect(_on_destroyed)


def remove_later(viewer: ViewerModel, layer: Layer | None) -> None:
    """Remove a layer, if it is there, once napari is done with what it does now.

    That may be the removal of several layers, this one among them, which fails if it is gone.
    """

    def remove() -> None:
        if layer in viewer.layers:
            viewer.layers.remove(layer)

    if layer in viewer.layers:
        QTimer.singleShot(0, remove)
