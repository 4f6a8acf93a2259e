"""Which layers of a viewer belong together, and why some of them can't be worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer

from napari_unet.layers.plugin_layers import (
    IMAGE_KEY,
    PROBABILITY,
    is_mask,
    is_predicted_mask,
    is_sparse_layer,
    is_tissue,
    role,
    why_not_paintable,
    why_not_stack,
)
from napari_unet.layers.slices import stack_shape

if TYPE_CHECKING:
    from napari import Viewer


def image_under(viewer: Viewer, layer: Layer) -> Image | None:
    """Find the image that a mask, a probability or labels are of, among those of their shape.

    It is the one that they name, or the lowest where they name none. Another image of the same
    shape is not what they are of, even where theirs was removed.
    """
    images = [
        image
        for image in viewer.layers
        if is_tissue(image) and stack_shape(image) == stack_shape(layer)
    ]
    name = layer.metadata.get(IMAGE_KEY)
    named = images if name is None else [image for image in images if image.name == name]
    return named[0] if named else None


def probability_of(viewer: Viewer, mask: Labels) -> Image | None:
    """Find the newest probability of the image that a mask is of."""
    return _topmost(viewer, lambda layer: role(layer) == PROBABILITY, mask)


def labels_over(viewer: Viewer, mask: Layer) -> Labels | None:
    """Find the topmost sparse labels of the image that a mask is of."""
    return _topmost(viewer, is_sparse_layer, mask)


def prediction_over(viewer: Viewer, image: Image) -> tuple[Labels, Image] | None:
    """Find the newest predicted mask of an image, with its probability."""
    for mask in reversed(viewer.layers):
        is_of_image = is_predicted_mask(mask) and is_mask(mask)
        if is_of_image and image_under(viewer, mask) == image:
            probability = probability_of(viewer, mask)
            return None if probability is None else (mask, probability)
    return None


def _topmost(viewer: Viewer, accepts: Callable[[Layer], bool], over: Layer) -> Any:
    image = image_under(viewer, over)
    for layer in reversed(viewer.layers):
        is_alike = accepts(layer) and not why_not_stack(layer)
        is_of_size = is_alike and stack_shape(layer) == stack_shape(over)
        if is_of_size and image_under(viewer, layer) == image:
            return layer
    return None


def why_not_tissue(viewer: Viewer) -> str:
    """Say what a viewer without an image to work on lacks, in a sentence."""
    return unusable_image(viewer) or "Open an image stack first."


def unusable_image(viewer: Viewer) -> str:
    """Say why an image of a viewer can't be worked on; empty where all can."""
    images = (layer for layer in viewer.layers if isinstance(layer, Image) and role(layer) is None)
    return next(filter(None, map(why_not_stack, images)), "")


def unusable_labels(viewer: Viewer) -> str:
    """Say why a layer of labels of a viewer can't be compared; empty where all can."""
    return next(filter(None, map(why_not_stack, _all_labels(viewer))), "")


def unpaintable_labels(viewer: Viewer) -> str:
    """Say why a layer of labels of a viewer can't be painted on; empty where all can."""
    return next(filter(None, map(why_not_paintable, _all_labels(viewer))), "")


def _all_labels(viewer: Viewer) -> Iterable[Labels]:
    return (layer for layer in viewer.layers if isinstance(layer, Labels))
