"""What the evaluate dock shows on the canvas: a figure, wrong pixels, layers side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_unet.layers.layer_search import image_under
from napari_unet.layers.plugin_layers import add_errors

NAME_SIZE = 10


class DiceOverlay:
    """Text on the canvas with the figure of the slice that is shown."""

    def __init__(self, viewer: Viewer) -> None:
        self._overlay: Any = viewer.canvas.overlays.text
        self._overlay.font_size = 12
        self._overlay.box = True
        self._overlay.position = "bottom_left"

    def show(self, text: str) -> None:
        """Show a text, or nothing where it is empty."""
        self._overlay.text = text
        self._overlay.visible = bool(text)


class ErrorLayer:
    """Keeps one layer of wrong pixels in the viewer while it is wanted."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None

    @property
    def layer(self) -> Labels | None:
        """The layer of wrong pixels; None while it is not in the viewer."""
        return self._layer if self._layer in self._viewer.layers else None

    def show(self, mask: Labels, wrong: NDArray[np.uint8]) -> None:
        """Show the wrong pixels of a mask: (Z, Y, X) or (Y, X) of uint8, in its shape."""
        self.remove()
        selection = self._viewer.layers.selection
        active = selection.active
        self._layer = add_errors(self._viewer, wrong, mask)
        if active is not None:
            selection.active = active  # whoever was painting goes on with that layer

    def refresh(self) -> None:
        """Draw the wrong pixels again, if they are shown."""
        if self.layer is not None:
            self.layer.refresh()

    def remove(self) -> None:
        """Remove the layer, if it is shown."""
        if self.layer is not None:
            self._viewer.layers.remove(self.layer)


class SideBySide:
    """Image, truth and mask each in a cell of napari's grid; the cells move together."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._hidden: list[Layer] = []
        self._opacities: dict[Layer, float] = {}

    def show(self, mask: Labels, truth: Labels, errors: Labels | None) -> None:
        """Show only these layers and their image, each in a cell with its name."""
        shown = [layer for layer in (image_under(self._viewer, mask), truth, mask, errors) if layer]
        self._hidden = [
            layer for layer in self._viewer.layers if layer.visible and layer not in shown
        ]
        for layer in self._hidden:
            layer.visible = False
        self._opacities = {layer: layer.opacity for layer in shown}
        for layer in shown:
            layer.visible = True
            layer.opacity = 1.0  # nothing lies below it
            layer.name_overlay.visible = True
            layer.name_overlay.font_size = NAME_SIZE
        extent = mask.data.shape[-2:] * mask.scale[-2:]
        grid = self._viewer.canvas.grid
        grid.stride = 1
        grid.shape = grid_shape(len(shown), tuple(extent), self._viewer.canvas.size)
        grid.enabled = True
        self._viewer.reset_view()

    def end(self) -> None:
        """Go back to one canvas, with the layers that were shown before."""
        self._viewer.canvas.grid.enabled = False
        for layer in self._hidden:
            layer.visible = True
        for layer, opacity in self._opacities.items():
            layer.opacity = opacity
            layer.name_overlay.visible = False
        self._hidden, self._opacities = [], {}
        self._viewer.reset_view()


def grid_shape(count: int, image: tuple[float, float], canvas: tuple[int, int]) -> tuple[int, int]:
    """Choose rows and columns without an empty cell, in which images are as large as can be.

    Parameters
    ----------
    count : int
        Number of images.
    image, canvas : pair
        Height and width of an image, and of all cells together.
    """
    shapes = [(rows, count // rows) for rows in range(1, count + 1) if count % rows == 0]

    def enlargement(shape: tuple[int, int]) -> float:
        return min(canvas[axis] / shape[axis] / image[axis] for axis in (0, 1))

    return max(shapes, key=enlargement)
