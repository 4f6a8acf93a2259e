"""What a person does with the mouse on a layer of neurons: clicks to choose, strokes to mend."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Shapes
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.plugin_layers import REGION, ROLE_KEY, placement
from napari_unet.proofreading.operations import Point, Stroke
from napari_unet.widgets.common.connections import remove_later
from napari_unet.widgets.correct.canvas_tools import CanvasTool, Drag

STROKE_COLORS = ("#FFB000", "#00C8FF")
WIDTH = 2.0


class ClickChooser(QObject):
    """Tells on which neuron a person clicked, while napari only moves the picture."""

    chosen = Signal(int, bool)  # the id, 0 for none; whether Shift was held

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None

    def watch(self, layer: Labels | None) -> None:
        """Look at clicks on this layer from now on."""
        if self._layer is not None and self._on_press in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._on_press)
        self._layer = layer
        if layer is not None:
            layer.mouse_drag_callbacks.append(self._on_press)

    def _on_press(self, layer: Labels, event: Any) -> Drag:
        if event.button != 1 or str(layer.mode) != "pan_zoom" or not layer.mouse_pan:
            return
        start, is_added = np.array(event.pos), "Shift" in event.modifiers
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos) - start).max() > 3:  # the picture was moved
            return
        value = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        self.chosen.emit(int(value or 0), is_added)


class StrokeTool(CanvasTool):
    """Takes one stroke or two, each in a colour of its own, and gives them back.

    Parameters
    ----------
    viewer : Viewer
        Shows the strokes until they are used.
    """

    drawn = Signal(object)  # tuple of Stroke

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._count = 1
        self._strokes: list[Stroke] = []
        self._shapes: Shapes | None = None

    def ask(self, layer: Labels, count: int) -> None:
        """Take so many strokes on a layer from now on."""
        self.take(layer, "cross")
        self._count = count

    def drop(self) -> None:
        super().drop()
        self._strokes = []
        shapes, self._shapes = self._shapes, None
        remove_later(self._viewer, shapes)

    def _on_drag(self, layer: Labels, event: Any) -> Drag:
        places = [_place(layer, event.position)]
        yield
        while event.type == "mouse_move":
            places.append(_place(layer, event.position))
            self._show(layer, places)
            yield
        self._strokes.append(_stroke(places))
        if len(self._strokes) < self._count:
            self.said.emit("Draw the second stroke, on the other part.")
            return
        strokes = tuple(self._strokes)
        self.drop()
        self.drawn.emit(strokes)

    def _show(self, layer: Labels, places: list[Point]) -> None:
        lines = [np.array(places), *map(np.array, reversed(self._strokes))]
        drawn = [line[:, 3 - layer.ndim :] for line in lines if len(line) > 1]
        if not drawn:
            return
        colors = [STROKE_COLORS[number] for number in range(len(drawn))][::-1]
        if self._shapes is None or self._shapes not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._shapes = self._viewer.add_shapes(
                name="strokes", metadata={ROLE_KEY: REGION}, ndim=layer.ndim, **placement(layer)
            )
            self._shapes.editable = False
            self._viewer.layers.selection.active = active
        self._shapes.data = []
        self._shapes.add_paths(drawn, edge_width=WIDTH, edge_color=colors)


def _place(layer: Labels, position: Any) -> Point:
    place = [round(float(value)) for value in layer.world_to_data(position)[-layer.ndim :]]
    z, y, x = [0, *place][-3:]
    return z, y, x


def _stroke(places: list[Point]) -> Stroke:
    """Fill the gaps between the places that a quick mouse passed."""
    from skimage.draw import line

    draw: Any = line
    points = [places[0]]
    for former, latter in pairwise(places):
        rows, columns = draw(*former[1:], *latter[1:])
        points += [(latter[0], int(y), int(x)) for y, x in zip(rows, columns, strict=True)]
    return tuple(dict.fromkeys(points))
