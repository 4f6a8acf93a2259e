"""Outlines in napari's polygon mode: drawn freehand, and filled on the slice that is shown."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels

from napari_unet.layers.slices import slider_in_pixels

LEAST = 3  # pixels of the screen: a mouse that moves less has clicked a corner


class DragCallback:
    """A callback of a layer's mouse, connected and disconnected as those of events are.

    Parameters
    ----------
    layer : Labels
    """

    def __init__(self, layer: Labels) -> None:
        self._callbacks: Any = layer.mouse_drag_callbacks

    def connect(self, callback: Any) -> None:
        """Call back when the mouse is pressed."""
        self._callbacks.append(callback)

    def disconnect(self, callback: Any) -> None:
        """Call back no more."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)


def bring_outline(viewer: Viewer, layer: Any) -> None:
    """Bring the corners of napari's polygon to the slice that is shown.

    It draws them there wherever they were clicked, and would fill the slice of the first.
    """
    overlay = layer._overlays["polygon"]
    shown = np.rint(slider_in_pixels(viewer, layer)).tolist()
    displayed = [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
    for axis in displayed:
        shown[axis] = None
    overlay.points = [
        [new if new is not None else old for old, new in zip(corner, shown, strict=True)]
        for corner in overlay.points
    ]


def drag_outline(layer: Any, event: Any) -> Generator[None, None, None]:
    """Add the places of a drag to the corners of napari's polygon, and fill what it encloses.

    Corners that were clicked before stay, and the polygon is finished as it is without a drag.
    """
    if event.button != 1 or str(layer.mode) != "polygon":
        return
    overlay, start, has_moved = layer._overlays["polygon"], np.array(event.pos), False
    yield  # napari has added the corner by then, and one that goes with the mouse
    is_first = len(overlay.points) == 2
    while event.type == "mouse_move":
        has_moved |= bool(np.abs(np.array(event.pos) - start).max() > LEAST)
        if has_moved:
            place = np.rint(layer.world_to_data(event.position)) + 0.5
            overlay.points = [*overlay.points[:-1], place.tolist(), (place + 1e-3).tolist()]
        yield
    if has_moved and is_first:
        overlay.points = overlay.points[:-1]
        overlay.add_polygon_to_labels(layer)
