"""Objects of a layer and the rows of their table: a click on one finds the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.slices import (
    displayed_slice,
    pixels_at,
    pixels_in_world,
    show_slice,
    slider_in_pixels,
)
from napari_unet.widgets.common.connections import Connections, when_deleted

_SELECTING = ("pan_zoom", "pick")  # modes of labels in which a click paints nothing
_TREMBLE = 4  # pixels of the screen


class ObjectLink(QObject):
    """Shows objects of one layer, and tells which is clicked on the canvas.

    Parameters
    ----------
    viewer : Viewer
        Its slider and camera are moved.
    parent : QObject
        The canvas is listened to as long as it lives.
    """

    clicked = Signal(object, int)  # an object's number, and the slice
    edited = Signal()  # the layer is no longer what was measured

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Labels | None = None
        self._edits = Connections(self)
        callbacks, on_drag = viewer.mouse_drag_callbacks, self._on_drag
        callbacks.append(on_drag)
        when_deleted(self, partial(callbacks.remove, on_drag))

    @property
    def layer(self) -> Labels | None:
        """The layer whose objects are shown; None while it is not in the viewer."""
        return self._layer if self._layer in self._viewer.layers else None

    def watch(self, layer: Labels | None) -> None:
        """Show objects of this layer from now on."""
        self._edits.clear()
        self._layer = layer
        if layer is not None:
            events = layer.events
            for event in (events.paint, events.data, events.scale, events.units):
                self._edits.add(event, self._on_edited)

    def show(self, number: int, centroid: tuple[float, ...]) -> None:
        """Select an object, and move slider and camera to its centroid, (Z, Y, X) in pixels."""
        layer = self.layer
        if layer is None:
            return
        layer.selected_label = number
        show_slice(self._viewer, layer, round(centroid[0]))
        place = slider_in_pixels(self._viewer, layer)
        place[-2:] = centroid[-2:]
        if layer.ndim > 2:
            place[-3] = centroid[0]
        world = pixels_in_world(self._viewer, layer, place)
        camera = self._viewer.scene.camera
        depth = world[-3] if self._viewer.dims.ndisplay == 3 and layer.ndim > 2 else 0.0
        camera.center = (float(depth), *map(float, world[-2:]))

    def _on_edited(self, _: object) -> None:
        self.edited.emit()

    def _on_drag(self, viewer: Viewer, event: Any) -> Iterator[None]:
        """Take a press for a click where the mouse was not moved away until its release."""
        is_click = event.button == 1 and self._paints_nothing()
        start = np.array(event.pos)
        yield
        while event.type == "mouse_move":
            is_click &= bool(np.abs(np.array(event.pos) - start).max() <= _TREMBLE)
            yield
        number = self._object_at(event) if is_click else 0
        if number and self.layer is not None:
            self.clicked.emit(number, displayed_slice(self._viewer, self.layer) or 0)

    def _paints_nothing(self) -> bool:
        active = self._viewer.layers.selection.active
        return not isinstance(active, Labels) or str(active.mode) in _SELECTING

    def _object_at(self, event: Any) -> int:
        layer = self.layer
        if layer is None or not layer.visible:
            return 0
        if self._viewer.dims.ndisplay == 3:
            found = layer.get_value(
                event.position,
                view_direction=event.view_direction,
                dims_displayed=list(event.dims_displayed),
                world=True,
            )
        else:
            point = np.asarray(event.position)[-layer.ndim :]
            found = layer.get_value(pixels_at(self._viewer, layer, point))
        value = found[-1] if isinstance(found, tuple) else found  # of several resolutions
        return 0 if value is None else max(int(value), 0)
