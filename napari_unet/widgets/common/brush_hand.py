"""The brush of a Labels layer, and a widget's buttons that follow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_unet.widgets.common.brush_buttons import Brush, BrushButtons
from napari_unet.widgets.common.connections import Connections


class BrushHand(QObject):
    """Gives the chosen layer napari's own brush, and shows whatever brush it has.

    While another layer is the active one, the canvas paints on that, and no brush is shown.

    Parameters
    ----------
    viewer : Viewer
        Where the layer becomes the active one, so that the canvas paints on it.
    buttons : BrushButtons
        Kept up to date.
    other_label : callable, optional
        Gives the label that a tool of another kind paints, None where none is in hand; whoever
        takes or drops such a tool calls :meth:`show`.
    """

    def __init__(
        self,
        viewer: Viewer,
        buttons: BrushButtons,
        other_label: Callable[[], int | None] = lambda: None,
    ) -> None:
        super().__init__(buttons)
        self._viewer, self._buttons, self._other_label = viewer, buttons, other_label
        self._layer: Labels | None = None
        self._events = Connections(self)
        buttons.brush_requested.connect(self.take)
        buttons.size_changed.connect(self._on_size_changed)
        Connections(self).add(viewer.layers.selection.events.active, self.show)

    def hold(self, layer: Labels | None) -> None:
        """Paint on this layer from now on."""
        self._events.clear()
        self._layer = layer
        self._buttons.setEnabled(layer is not None)
        if layer is not None:
            self._bind_keys(layer)
            for event in ("mode", "selected_label", "brush_size"):
                self._events.add(getattr(layer.events, event), self.show)
        self.show()

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

    def show(self, event: Any = None) -> None:
        """Show which brush the canvas paints with on the layer, if it does."""
        layer = self._layer
        if layer is None:
            self._buttons.show_brush(None, 1)
            return
        labels = {"paint": layer.selected_label, "polygon": layer.selected_label, "erase": 0}
        label = labels.get(str(layer.mode), self._other_label())
        is_active = self._viewer.layers.selection.active == layer
        self._buttons.show_brush(label if is_active else None, int(layer.brush_size))

    def _bind_keys(self, layer: Labels) -> None:
        """Bind the layer's own keys, so that they hold while it is the active one."""
        for brush in self._buttons.brushes:

            def take_brush(_: object, brush: Brush = brush) -> None:
                self.take(brush)

            if brush.key:
                self._events.bind_key(layer, brush.key, take_brush)

    def _on_size_changed(self, size: int) -> None:
        if self._layer is not None:
            self._layer.brush_size = size
