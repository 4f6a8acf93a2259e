"""The sizes of a multiscale image: how large their pixels are, and each as a layer of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_unet.layers.plugin_layers import placement
from napari_unet.layers.slices import translation_to

if TYPE_CHECKING:
    from napari import Viewer

# In a layer's metadata: its Level.
LEVEL_KEY = "level"


@dataclass(frozen=True, eq=False)
class Level:
    """Which size of a multiscale image a layer is.

    Parameters
    ----------
    image : Image
        The multiscale image.
    index : int
        From 0, the full resolution.
    """

    image: Image
    index: int


def whole_of(image: Image) -> Image:
    """Find the multiscale image that a layer is a size of; any other is its own."""
    level: Level | None = image.metadata.get(LEVEL_KEY)
    return image if level is None else level.image


def level_scale(image: Image, index: int) -> NDArray[np.float64]:
    """Give the scale of a size of a multiscale image: (ndim,) of float64."""
    return np.asarray(image.scale) * _factors(image, index)


def add_level(viewer: Viewer, image: Image, index: int) -> Image:
    """Add a size of a multiscale image as a hidden layer, unless it is there already.

    Each of its pixels lies over those that it was made of, as napari draws it: the centre of the
    first is between theirs.

    Returns
    -------
    Image
        The image itself for its full resolution, which every dock works on.
    """
    if index == 0:
        return image
    pixels = image.data[index]
    for layer in viewer.layers:
        level = layer.metadata.get(LEVEL_KEY)
        if level is not None and level.image == image and layer.data is pixels:
            return layer
    middle = (_factors(image, index) - 1) / 2
    place: dict[str, Any] = placement(image) | {
        "scale": level_scale(image, index),
        "translate": translation_to(image, middle),
    }
    return viewer.add_image(
        pixels,
        name=f"{image.name} level {index}",
        colormap=image.colormap,
        contrast_limits=image.contrast_limits,
        visible=False,  # the image itself shows more
        metadata={LEVEL_KEY: Level(image, index)},
        **place,
    )


def _factors(image: Image, index: int) -> NDArray[np.float64]:
    """Find how many pixels of the full resolution (ndim,) a pixel of a size has.

    Writers round odd lengths up or down, so a whole number is taken where it explains the length.
    """
    return np.array(
        [
            whole if length in (-(-full // whole), full // whole) else full / length
            for full, length in zip(image.data[0].shape, image.data[index].shape, strict=True)
            if (whole := max(1, round(full / length)))
        ],
        np.float64,
    )
