"""Which slices of a Labels layer were edited: painted, undone, or replaced."""

from __future__ import annotations

from typing import Any

from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from superqt.utils import QSignalThrottler

from napari_unet.layers.slices import displayed_slice, edited_slices
from napari_unet.widgets.common.connections import Connections


class EditWatch(QObject):
    """Watches one layer and reports slices to look at, rather too many than too few.

    napari reports a stroke when it ends, but an undo only as a drawing of the layer, like a
    movement of the slider: when the same slice is drawn again, any slice may have changed.

    Parameters
    ----------
    viewer : Viewer
        Its slider says which slice is shown.
    delay : int
        Milliseconds from an edit until it is reported, with those that follow it meanwhile.
    """

    edited = Signal(object)  # set of int, or None for all slices

    def __init__(self, viewer: Viewer, delay: int, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Labels | None = None
        self._shown: int | None = None
        self._slices: set[int] | None = set()
        self._events = Connections(self)
        # Trailing: napari reports a stroke before its pixels are there.
        self._throttle = QSignalThrottler(QSignalThrottler.EmissionPolicy.Trailing, self)
        self._throttle.setTimeout(delay)
        self._throttle.triggered.connect(self._report)

    def watch(self, layer: Labels | None) -> None:
        """Watch this layer from now on; all of its slices are reported first."""
        self._events.clear()
        self._layer = layer
        self._throttle.cancel()
        if layer is None:
            return
        self._shown = displayed_slice(self._viewer, layer)
        self._events.add(layer.events.paint, self._on_painted)
        self._events.add(layer.events.labels_update, self._on_brush_moved)
        self._events.add(layer.events.set_data, self._on_drawn)
        self._events.add(layer.events.data, self._on_data_changed)
        self._note(None)

    def flush(self) -> None:
        """Report at once what is waiting."""
        self._throttle.flush()

    def _on_painted(self, event: Any) -> None:
        self._note(edited_slices(event))

    def _on_brush_moved(self, event: Any = None) -> None:
        if self._layer is not None:
            shown = displayed_slice(self._viewer, self._layer)
            self._note({shown} if shown is not None else set())

    def _on_drawn(self, event: Any = None) -> None:
        if self._layer is None:
            return
        former, self._shown = self._shown, displayed_slice(self._viewer, self._layer)
        moved_to = {self._shown} if self._shown is not None else set()
        self._note(None if self._shown == former else moved_to)

    def _on_data_changed(self, event: Any = None) -> None:
        self._note(None)

    def _note(self, slices: set[int] | None) -> None:
        is_all = slices is None or self._slices is None
        self._slices = None if is_all else (self._slices or set()) | (slices or set())
        self._throttle.throttle()

    def _report(self) -> None:
        slices, self._slices = self._slices, set()
        if self._layer is not None:
            self.edited.emit(slices)
