"""The brush of a Labels layer, and a widget's buttons that follow it."""

from __future__ import annotations

from typing import Any

from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_unet.widgets.common.brush_buttons import Brush, BrushButtons
from napari_unet.widgets.common.connections import Connections


class BrushHand(QObject):
    """Gives the chosen layer napari's own brush, and shows whatever brush it has.

    Parameters
    ----------
    viewer : Viewer
        Where the layer becomes the active one, so that the canvas paints on it.
    buttons : BrushButtons
        Kept up to date.
    """

    def __init__(self, viewer: Viewer, buttons: BrushButtons) -> None:
        super().__init__(buttons)
        self._viewer, self._buttons = viewer, buttons
        self._layer: Labels | None = None
        self._events = Connections(self)
        buttons.brush_requested.connect(self.take)
        buttons.size_changed.connect(self._on_size_changed)

    def hold(self, layer: Labels | None) -> None:
        """Paint on this layer from now on."""
        self._events.clear()
        self._layer = layer
        self._buttons.setEnabled(layer is not None)
        if layer is not None:
            self._bind_keys(layer)
            for event in ("mode", "selected_label", "brush_size"):
                self._events.add(getattr(layer.events, event), self._show)
        self._show()

    def take(self, brush: Brush) -> None:
        """Take this brush."""
        layer = self._layer
        if layer is None:
            return
        self._viewer.layers.selection.active = layer
        layer.visible = True
        if brush.label:
            layer.selected_label = brush.label
        layer.mode = "paint" if brush.label else "erase"

    def _bind_keys(self, layer: Labels) -> None:
        """Bind the layer's own keys, so that they hold while it is the active one."""
        for brush in self._buttons.brushes:

            def take_brush(_: object, brush: Brush = brush) -> None:
                self.take(brush)

            self._events.bind_key(layer, brush.key, take_brush)

    def _show(self, event: Any = None) -> None:
        layer = self._layer
        if layer is None:
            self._buttons.show_brush(None, 1)
            return
        labels = {"paint": layer.selected_label, "polygon": layer.selected_label, "erase": 0}
        self._buttons.show_brush(labels.get(str(layer.mode)), int(layer.brush_size))

    def _on_size_changed(self, size: int) -> None:
        if self._layer is not None:
            self._layer.brush_size = size
