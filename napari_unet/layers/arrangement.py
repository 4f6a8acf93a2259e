"""Where stacks that are opened lie among the layers that are open already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari import Viewer, current_viewer
from napari.layers import Image, Labels

from napari_unet.layers.plugin_layers import why_not_stack
from napari_unet.layers.slices import full_resolution, stack_shape


def place_in_viewer(shape: tuple[int, ...], is_labels: bool) -> dict[str, Any]:
    """Find where the image lies that labels are of, or an image's labels.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) or (Y, X) of what is opened; its partner has the same.
    is_labels : bool
        Whether labels are opened.

    Returns
    -------
    dict
        Arguments of a layer: ``scale``, ``translate`` and ``units``; empty without a partner.
    """
    viewer = current_viewer()
    partner = Image if is_labels else Labels
    for layer in viewer.layers if viewer else ():
        if isinstance(layer, partner) and _is_as_large(layer, shape):
            place = {"scale": layer.scale, "translate": layer.translate, "units": layer.units}
            return {name: value[-len(shape) :] for name, value in place.items()}
    return {}


def arrange_after_adding(images: Iterable[Any]) -> None:
    """Put images under labels that are there already, as soon as napari has added them.

    Parameters
    ----------
    images : iterable of array (Z, Y, X) or (Y, X)
        Data of the layers that napari is about to add, at full resolution.
    """
    viewer = current_viewer()
    if viewer is None:
        return
    waiting = [id(data) for data in images]

    def _on_inserted(event: Any) -> None:
        if id(full_resolution(event.value)) in waiting:
            waiting.remove(id(full_resolution(event.value)))
            lay_labels_over(viewer, event.value)
        if not waiting:
            viewer.layers.events.inserted.disconnect(_on_inserted)

    viewer.layers.events.inserted.connect(_on_inserted, position="last")


def lay_labels_over(viewer: Viewer, image: Image) -> None:
    """Put an image that was just added under the labels of the same shape.

    Files that are dropped together are opened in the order of their names, labels before the
    volume; an image over its labels would hide them. Labels from files without a pixel size
    take the image's, and those without a place for it begin where the image does.
    """
    matching = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels) and _is_as_large(layer, full_resolution(image).shape)
    ]
    if not matching:
        return
    lowest = min(viewer.layers.index(layer) for layer in matching)
    if viewer.layers.index(image) > lowest:
        viewer.layers.move(viewer.layers.index(image), lowest)
    for layer in matching:
        if layer.ndim != image.ndim:
            continue
        if np.all(layer.scale == 1):
            layer.scale, layer.units = image.scale, image.units
        is_alike = layer.units == image.units and np.allclose(layer.scale, image.scale)
        if is_alike and not np.any(layer.translate):
            layer.translate = image.translate


def _is_as_large(layer: Image | Labels, shape: tuple[int, ...]) -> bool:
    """Whether a layer is a stack as large as one of a shape (Z, Y, X) or (Y, X)."""
    return not why_not_stack(layer) and stack_shape(layer) == (1, *shape)[-3:]
