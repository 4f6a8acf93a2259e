"""The layer that shows the prediction of a held-out slice while a training goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_unet.layers.plugin_layers import PREVIEW_KEY, placement
from napari_unet.runs.run_progress import PreviewImage, RunProgress

_NAME = "training preview"


class PreviewLayer:
    """Adds a blank layer as a run starts, and shows one preview after the other in it.

    Adding a layer blocks the window for about 0.2 s, which a person who works during a training
    would notice; new data in a layer costs almost nothing. A layer that a person removed stays
    away until :meth:`reveal`.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer that shows it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Image | None = None
        self._shown: PreviewImage | None = None
        self._over: Image | None = None

    def forget(self) -> None:
        """Forget the run; its layer is left to the person."""
        self._layer = self._shown = None

    def follow(self, progress: RunProgress, started_on: Image | None, chosen: Image | None) -> None:
        """Show a run's newest preview, or prepare for the first one.

        Parameters
        ----------
        progress : RunProgress
            The run.
        started_on, chosen : Image or None
            The images that a run was started on in this window, and those chosen now: the first
            that the preview fits are taken for the run's.
        """
        preview, slice_index = progress.preview, progress.held_out_slice
        if preview is not None:
            candidates = (images for images in (started_on, chosen) if images is not None)
            fitting = (images for images in candidates if preview.fits(images.data.shape))
            self.show(preview, next(fitting, None))
        elif slice_index is not None and started_on is not None and progress.is_running:
            self.prepare(slice_index, started_on)

    def prepare(self, slice_index: int, over: Image) -> None:
        """Add the layer, blank, at the slice that is going to be shown."""
        if self._layer is None and self._shown is None:
            blank = np.zeros(over.data.shape[1:], np.uint8)
            self._over = over
            self._add(PreviewImage(blank, slice_index, epoch=0))

    def remove_blank(self) -> None:
        """Remove a layer in which nothing was shown."""
        if self._shown is None and self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
            self._layer = None

    def show(self, preview: PreviewImage, over: Image | None) -> None:
        """Show a preview, over the images that are trained on if they are known."""
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
