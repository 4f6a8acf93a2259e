"""An image layer that is a part of another one, in the rectangle that a person drew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Shapes
from numpy.typing import NDArray

from napari_unet.layers.plugin_layers import REGION, placement, role
from napari_unet.layers.slices import (
    full_resolution,
    pixels_at,
    pixels_in_world,
    stack_shape,
    translation_to,
)

if TYPE_CHECKING:
    from napari import Viewer

    from training.stacks.windows import Window

# In a crop's metadata: its Surroundings.
SURROUNDINGS_KEY = "surroundings"


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where an image lies in a whole one.

    Parameters
    ----------
    image : Image
        The whole image.
    data : array (Z, Y, X) or (Y, X)
        Its pixels when it was cropped.
    window : tuple of range or None
        Rows and columns that the image has of it; None: it is whole itself.
    """

    image: Image
    data: Any
    window: Window | None


def surroundings_of(image: Image) -> Surroundings:
    """Find the image that another was cropped from."""
    found: Surroundings | None = image.metadata.get(SURROUNDINGS_KEY)
    return Surroundings(image, full_resolution(image), None) if found is None else found


def add_crop(viewer: Viewer, image: Image, window: Window) -> Image:
    """Add the part of an image that is in a window, unless it is there already.

    Parameters
    ----------
    window : tuple of range
        Rows and columns of the image, at least one of each.

    Returns
    -------
    Image
        The image itself where the window has all of it.
    """
    rows, columns = window
    if (len(rows), len(columns)) == stack_shape(image)[1:]:
        return image
    pixels = full_resolution(image)
    for layer in viewer.layers:
        found = layer.metadata.get(SURROUNDINGS_KEY)
        if found is not None and found.data is pixels and found.window == window:
            return layer
    corner = np.zeros(image.ndim)
    corner[-2:] = rows.start, columns.start
    place = placement(image) | {"translate": translation_to(image, corner)}
    return viewer.add_image(
        pixels[..., rows.start : rows.stop, columns.start : columns.stop],
        name=f"{image.name} at {rows.start}, {columns.start}",
        colormap=image.colormap,
        contrast_limits=image.contrast_limits,
        metadata={SURROUNDINGS_KEY: Surroundings(image, pixels, window)},
        **place,
    )


def has_rectangle(layer: Layer) -> bool:
    """Whether a person drew a rectangle in a layer."""
    is_drawn = isinstance(layer, Shapes) and role(layer) != REGION
    return is_drawn and "rectangle" in layer.shape_type


def window_in_rectangle(viewer: Viewer, image: Image) -> Window | None:
    """Find the rows and columns of an image that a person's rectangle covers.

    It is the selected one, or else the last, of the topmost layer that has one. None where there
    is none, or it lies beside the image.
    """
    layer = next((layer for layer in reversed(viewer.layers) if has_rectangle(layer)), None)
    if layer is None:
        return None
    drawn = [index for index, kind in enumerate(layer.shape_type) if kind == "rectangle"]
    chosen = [index for index in drawn if index in layer.selected_data] or drawn
    corners = np.array([_place(viewer, layer, corner, image) for corner in layer.data[chosen[-1]]])
    starts = np.floor(corners.min(0) + 0.5).astype(int).clip(0)
    stops = np.floor(corners.max(0) + 0.5).astype(int).clip(max=stack_shape(image)[1:])
    rows, columns = (range(*limits) for limits in zip(starts, stops, strict=True))
    return (rows, columns) if rows and columns else None


def _place(
    viewer: Viewer, layer: Layer, corner: NDArray[np.float64], image: Image
) -> NDArray[np.float64]:
    """Find the row and the column of an image at a corner in another layer."""
    point = np.zeros(image.ndim)
    point[-2:] = pixels_in_world(viewer, layer, corner)[-2:]
    return pixels_at(viewer, image, point)[-2:]
