"""Keeps on the name of an image what lies over it, when the image is renamed."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel

from napari_unet.layers.plugin_layers import IMAGE_KEY


class ImageNames:
    """The names of a viewer's layers, to see which were renamed.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers name the image that they are of.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._names: dict[Any, str] = {}  # by the layer's id
        self.follow()

    def follow(self) -> None:
        """Write new names where the former ones stand; call it at every change of the layers."""
        former = self._names
        self._names = {layer.unique_id: layer.name for layer in self._viewer.layers}
        renamed = {former.get(key, name): name for key, name in self._names.items()}
        for layer in self._viewer.layers:
            name = layer.metadata.get(IMAGE_KEY)
            if isinstance(name, str) and name in renamed:
                layer.metadata[IMAGE_KEY] = renamed[name]
