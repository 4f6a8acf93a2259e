"""Tells which slices of a Labels layer were edited: painted, undone, or replaced."""

from __future__ import annotations

from typing import Any

from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.layers import displayed_slice, edited_slices
from napari_unet.widgets.connections import Connections


class EditWatch(QObject):
    """Watches one layer; what it tells are slices to look at, more rather than fewer.

    napari tells of a stroke when it ends, and of an undo only that the view changed: so every
    slice that was ever painted since the watch began is told each time, with the one shown.

    Parameters
    ----------
    viewer : Viewer
        Whose slider tells which slice is shown.
    delay : int
        Milliseconds from an edit until it is told, with those that follow it meanwhile.
    """

    edited = Signal(object)  # set of int, or None for all slices

    def __init__(self, viewer: Viewer, delay: int, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Labels | None = None
        self._painted: set[int] = set()
        self._is_all = False
        self._events = Connections(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(delay)
        self._timer.timeout.connect(self._tell)

    def watch(self, layer: Labels | None) -> None:
        """Watch this layer from now on; all of its slices are told first."""
        self._events.clear()
        self._layer, self._painted = layer, set()
        self._timer.stop()
        if layer is None:
            return
        self._events.add(layer.events.paint, self._on_painted)
        self._events.add(layer.events.labels_update, self._on_view_changed)
        self._events.add(layer.events.set_data, self._on_view_changed)
        self._events.add(layer.events.data, self._on_data_changed)
        self._on_data_changed()

    def _on_painted(self, event: Any) -> None:
        self._painted |= edited_slices(event) if event.source.ndim == 3 else {0}
        self._on_view_changed()

    def _on_view_changed(self, event: Any = None) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _on_data_changed(self, event: Any = None) -> None:
        self._is_all = True
        self._on_view_changed()

    def _tell(self) -> None:
        if self._layer is None:
            return
        shown = displayed_slice(self._viewer, self._layer)
        slices = self._painted | ({shown} if shown is not None else set())
        is_all, self._is_all = self._is_all, False
        self.edited.emit(None if is_all else slices)
