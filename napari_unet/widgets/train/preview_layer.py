"""The layer that shows the prediction of a slice while a training goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image
from numpy.typing import NDArray

from napari_unet.layers.plugin_layers import PREVIEW_KEY, is_preview, placement
from napari_unet.layers.slices import show_slice, stack_shape
from napari_unet.runs.run_progress import PreviewImage, RunProgress

_NAME = "training preview"


class PreviewLayer:
    """Shows the previews of one run after the other in one layer, which is blank before the first.

    Adding a layer blocks the window for about 0.2 s, which a person who works during a training
    would notice; new data in a layer costs almost nothing. A layer that a person removed or hid
    stays away until another run is followed, or :meth:`reveal`.

    Parameters
    ----------
    viewer : Viewer
        Viewer that shows it.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._shown: PreviewImage | None = None
        self._over: Image | None = None
        self._is_placed = False  # for this run

    def forget(self) -> None:
        """Forget the run: the layer is blank until the next one has a preview."""
        self._shown, self._is_placed = None, False
        layer = self._layer
        if layer is not None:
            layer.data = np.zeros_like(layer.data)
            layer.visible = True

    def hide(self) -> None:
        """Hide the layer until another run is followed, or :meth:`reveal`."""
        if self._layer is not None:
            self._layer.visible = False

    def follow(self, progress: RunProgress, started_on: Image | None, chosen: Image | None) -> None:
        """Show a run's newest preview, or prepare for the first one.

        Parameters
        ----------
        progress : RunProgress
            The run.
        started_on, chosen : Image or None
            The images that a run was started on in this window, and those chosen now: the first
            that the preview fits are taken for the run's. Of a run on several volumes it is the
            layer that has the volume's name; where there is none, nothing is shown.
        """
        preview, slice_index = progress.preview, progress.preview_slice
        if preview is not None and preview.volume:
            images = self._images_of(preview)
            if images is not None:
                self.show(preview, images)
        elif preview is not None:
            candidates = (images for images in (started_on, chosen) if images is not None)
            fitting = (images for images in candidates if preview.fits(stack_shape(images)))
            self.show(preview, next(fitting, None))
        elif slice_index is not None and started_on is not None and progress.is_running:
            self.prepare(slice_index, started_on)

    def prepare(self, slice_index: int, over: Image) -> None:
        """Put the layer, blank, at the slice that is going to be shown."""
        if not self._is_placed:
            self._over = over
            blank = np.zeros(stack_shape(over)[1:], np.uint8)
            self._place(PreviewImage(blank, slice_index, step=0))

    def remove_blank(self) -> None:
        """Remove the layer if nothing is shown in it."""
        if self._shown is None and self._layer is not None:
            self._viewer.layers.remove(self._layer)
            self._is_placed = False

    def show(self, preview: PreviewImage, over: Image | None) -> None:
        """Show a preview, over the images that are trained on if they are known."""
        self._over = over
        if self._shown is not None and self._shown.step == preview.step:
            return
        if not self._is_placed or self._layer is not None:
            self._place(preview)
        self._shown = preview

    def reveal(self) -> None:
        """Go to the slice, and show the layer even if it was removed or hidden."""
        if self._shown is None:
            return
        if self._layer is None:
            self._place(self._shown)
        if self._layer is not None:
            self._layer.visible = True
            show_slice(self._viewer, self._layer, 0)

    def _images_of(self, preview: PreviewImage) -> Image | None:
        """Find the layer of the volume that a preview is of."""
        named = (layer for layer in self._viewer.layers if layer.name == preview.volume)
        images = (layer for layer in named if isinstance(layer, Image))
        return next((layer for layer in images if preview.fits(stack_shape(layer))), None)

    @property
    def _layer(self) -> Image | None:
        """The layer, also that of a former dock; None if there is none, or it was removed."""
        layers = (layer for layer in self._viewer.layers if is_preview(layer))
        return next((layer for layer in layers if isinstance(layer, Image)), None)

    def _place(self, preview: PreviewImage) -> None:
        """Show a preview in the layer, at its slice; add the layer if there is none."""
        self._is_placed = True
        place, layer = _placement(preview, self._over), self._layer
        if layer is None:
            self._add(preview, place)
            return
        layer.data = _pixels(preview, self._over)
        for name, value in place.items():
            if not np.array_equal(getattr(layer, name), value):
                setattr(layer, name, value)

    def _add(self, preview: PreviewImage, place: dict[str, Any]) -> None:
        layer = Image(
            _pixels(preview, self._over),
            name=_NAME,
            colormap="magma",
            contrast_limits=(0, 255),
            blending="additive",  # membranes are dark, and the rest stays as it is
            metadata={PREVIEW_KEY: True},
            **place,
        )
        selected = set(self._viewer.layers.selection)
        self._viewer.add_layer(layer)
        if selected:
            self._viewer.layers.selection = selected


def _placement(preview: PreviewImage, over: Image | None) -> dict[str, Any]:
    """Where a preview lies, as napari's arguments; each of them, so that none of a former stays."""
    if over is None or over.ndim < 3:
        alone = placement(Image(np.zeros((1, 1, 1), np.uint8)))
        return alone | {"translate": (preview.slice, 0, 0)}
    place = placement(over)
    place["translate"] = np.array(over.translate)
    place["translate"][-3] += preview.slice * over.scale[-3]
    place["scale"] = np.array(over.scale)
    place["scale"][-2:] *= np.divide(stack_shape(over)[1:], preview.probability.shape)
    return place


def _pixels(preview: PreviewImage, over: Image | None) -> NDArray[np.uint8]:
    """Give a preview's slice as many axes as the images have that it lies over."""
    ndim = 3 if over is None else max(3, over.ndim)
    return preview.probability.reshape((1,) * (ndim - 2) + preview.probability.shape)
