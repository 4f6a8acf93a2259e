"""A box in the predict dock: predict in a rectangle alone; it is there while a rectangle is."""

from __future__ import annotations

from typing import Any

from napari import Viewer
from napari.layers import Image, Shapes
from qtpy.QtWidgets import QCheckBox

from napari_unet.layers.crops import (
    add_crop,
    has_rectangle,
    surroundings_of,
    window_in_rectangle,
)
from napari_unet.widgets.common.connections import Connections
from training.errors import UserError


class RegionChoice(QCheckBox):
    """Appears when a person has drawn a rectangle in a Shapes layer."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__("Only in the rectangle")
        self.setToolTip(
            "Predict what is in the selected rectangle of the topmost Shapes layer, as a crop."
        )
        self._viewer = viewer
        self._shapes = Connections(self)
        events = Connections(self)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            events.add(event, self._watch)
        self._watch()

    def choose(self, image: Image) -> Image:
        """Give what of an image is to be predicted: all of it, or a crop of the rectangle.

        The rectangle may lie anywhere in the image that a crop was made of.

        Raises
        ------
        UserError
            If the rectangle lies beside the image.
        """
        if not self.isChecked() or self.isHidden():
            return image
        whole = surroundings_of(image).image
        image = whole if whole in self._viewer.layers else image
        window = window_in_rectangle(self._viewer, image)
        if window is None:
            raise UserError(f"The rectangle lies beside '{image.name}'.", "Draw it on the image.")
        return add_crop(self._viewer, image, window)

    def _watch(self, _: Any = None) -> None:
        self._shapes.clear()
        for layer in self._viewer.layers:
            if isinstance(layer, Shapes):
                self._shapes.add(layer.events.data, self._show)
        self._show()

    def _show(self, _: Any = None) -> None:
        self.setVisible(any(map(has_rectangle, self._viewer.layers)))
