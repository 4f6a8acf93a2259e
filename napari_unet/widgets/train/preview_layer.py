"""The layer that shows the prediction of a held-out slice while a training goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_unet.layers.plugin_layers import PREVIEW_KEY, placement
from napari_unet.runs.run_progress import PreviewImage

_NAME = "training preview"


class PreviewLayer:
    """Adds a blank layer as a run starts, and shows one preview after the other in it.

    Adding a layer blocks the window for some 0.2 s, where a person works while a training goes
    on; new data in a layer takes next to nothing. A layer that a person removed stays away until
    :meth:`reveal`.

    Parameters
    ----------
    viewer : ViewerModel
        Where it is shown.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Image | None = None
        self._shown: PreviewImage | None = None
        self._over: Image | None = None

    def forget(self) -> None:
        """Begin anew with the next run; the old run's layer is left to the person."""
        self._layer = self._shown = None

    def prepare(self, slice_index: int, over: Image) -> None:
        """Add the layer, blank, at the slice that is going to be shown."""
        if self._layer is None and self._shown is None:
            blank = np.zeros(over.data.shape[1:], np.uint8)
            self._over = over
            self._add(PreviewImage(blank, slice_index, epoch=0))

    def remove_blank(self) -> None:
        """Take away a layer in which nothing was shown."""
        if self._shown is None and self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
            self._layer = None

    def show(self, preview: PreviewImage, over: Image | None) -> None:
        """Show a preview, over the images that are trained on where they are known."""
        self._over = over
        if self._shown is not None and self._shown.epoch == preview.epoch:
            return
        if self._layer is None and self._shown is None:
            self._add(preview)
        elif self._layer is not None and self._layer in self._viewer.layers:
            self._layer.data = preview.probability[np.newaxis]
        self._shown = preview

    def reveal(self) -> None:
        """Go to the slice, and show the layer even if it was removed or hidden."""
        if self._shown is None:
            return
        if self._layer is None or self._layer not in self._viewer.layers:
            self._add(self._shown)
        if self._layer is not None:
            self._layer.visible = True
            self._viewer.dims.set_point(0, float(self._layer.translate[0]))

    def _add(self, preview: PreviewImage) -> None:
        self._layer = Image(
            preview.probability[np.newaxis],
            name=_NAME,
            colormap="magma",
            contrast_limits=(0, 255),
            blending="additive",  # membranes are dark, and the rest stays as it is
            metadata={PREVIEW_KEY: True},
            **_placement(preview, self._over),
        )
        selected = set(self._viewer.layers.selection)
        self._viewer.add_layer(self._layer)
        if selected:
            self._viewer.layers.selection = selected


def _placement(preview: PreviewImage, over: Image | None) -> dict[str, Any]:
    if over is None or over.ndim != 3:
        return {"translate": (preview.slice, 0, 0)}
    place = placement(over)
    slice_offset = np.array([preview.slice * over.scale[0], 0, 0])
    place["translate"] = np.asarray(over.translate) + slice_offset
    pixels = np.array([1, *preview.probability.shape])
    place["scale"] = np.asarray(over.scale) * [1, *(np.array(over.data.shape[1:]) / pixels[1:])]
    return place
