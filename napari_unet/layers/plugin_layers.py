"""Every layer that this plugin adds to a viewer, and how it is recognized."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from numpy.typing import NDArray

from napari_unet.layers.class_layers import CLASSES_KEY, class_look, layer_classes
from napari_unet.layers.colormaps import error_colormap, mask_colormap, sparse_colormap
from napari_unet.layers.colors import PREDICTION_COLOR
from napari_unet.layers.slices import full_resolution
from napari_unet.layers.unpredicted import inherited
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.stacks.stack_axes import is_stack

if TYPE_CHECKING:
    from napari import Viewer

AXIS_LABELS = ("z", "y", "x")  # as napari names the sliders
MASK_OPACITY = 0.5
# In a layer's metadata: which convention the file of a mask had.
CONVENTION_KEY = "label_convention"
# In a layer's metadata: list of the slices that a person corrected throughout.
CORRECTED_KEY = "corrected_slices"
# In a predicted mask's metadata: list of the slices that its model was trained on; missing where
# the model is not known to be trained on this stack.
TRAINED_KEY = "trained_slices"
# In an image's metadata: where its stack is, which may be inside the file that napari knows.
STACK_KEY = "stack"
# In the metadata of what lies over an image: the image's name.
IMAGE_KEY = "image"
# In a predicted mask's metadata: the threshold that made it of its probability.
THRESHOLD_KEY = "threshold"
# In a predicted mask's or classes' metadata: path of the model that predicted all of it; "" for
# several.
MODEL_KEY = "model"
# In the metadata of neurons: name of the project's file that lists the operations on them.
OPERATIONS_KEY = "operations"
# In the metadata of the layers made here: which of them it is.
ROLE_KEY = "napari_unet_role"
PROBABILITY, MASK, ERRORS, NEURONS = "probability", "mask", "errors", "neurons"
REGION = "region"
PREVIEW_KEY = "is_training_preview"


def placement(layer: Layer) -> dict[str, Any]:
    """Return the arguments that put a new layer of the same shape right over ``layer``."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def add_probability(
    viewer: Viewer, data: Any, over: Image | None, name: str, **place: Any
) -> Image:
    """Add a probability of membrane, hidden, because the mask over the image shows more.

    Parameters
    ----------
    data : array (Z, Y, X) or (Y, X) of float32
        Probability, 0..1, in the shape of the image's data.
    over : Image or None
        The image that was predicted; None where it isn't open.
    **place
        Arguments of a layer that say where it lies, without an image.
    """
    return viewer.add_image(
        data,
        name=name,
        colormap="magma",
        contrast_limits=(0.0, 1.0),
        opacity=MASK_OPACITY,
        visible=False,
        metadata=_origin(PROBABILITY, over),
        **(placement(over) if over else place),
    )


def _origin(made: str, over: Layer | None) -> dict[str, Any]:
    return {ROLE_KEY: made} | _image_of(over)


def _image_of(over: Layer | None) -> dict[str, Any]:
    """Name the image that a layer is of: ``over``, or what that names where it is of an image."""
    if over is None or isinstance(over, Image):
        return {} if over is None else {IMAGE_KEY: over.name}
    return {IMAGE_KEY: over.metadata[IMAGE_KEY]} if IMAGE_KEY in over.metadata else {}


def role(layer: Layer) -> str | None:
    """Return :data:`PROBABILITY`, :data:`MASK`, ..., or None for a layer from elsewhere."""
    found: str | None = layer.metadata.get(ROLE_KEY)
    return found


def add_mask(viewer: Viewer, data: Any, over: Image | None, name: str, **place: Any) -> Labels:
    """Add a predicted mask (Z, Y, X) or (Y, X) of uint8, 1 = membrane, over its image.

    Parameters are those of :func:`add_probability`.
    """
    return viewer.add_labels(
        data,
        name=name,
        colormap=mask_colormap(PREDICTION_COLOR),
        opacity=MASK_OPACITY,
        metadata=_origin(MASK, over),
        **(placement(over) if over else place),
    )


def add_sparse_labels(
    viewer: Viewer, data: NDArray[np.uint8], over: Layer, name: str, corrected: Iterable[int] = ()
) -> Labels:
    """Add labels to paint on.

    Parameters
    ----------
    data : array (Z, Y, X) or (Y, X) of uint8
        0 = unknown, 1 = membrane, 2 = inside; in the shape of the image's data.
    over : Layer
        The image.
    corrected : iterable of int
        Slices that a person corrected throughout.
    """
    return viewer.add_labels(
        data,
        name=name,
        colormap=sparse_colormap(),
        opacity=MASK_OPACITY,
        metadata={
            CONVENTION_KEY: LabelConvention.SPARSE,
            CORRECTED_KEY: sorted(corrected),
            **_image_of(over),
        },
        **placement(over),
    )


def add_class_labels(
    viewer: Viewer, data: Any, over: Layer | None, name: str, classes: LabelClasses, **place: Any
) -> Labels:
    """Add labels of classes, such as to paint on or predicted ones.

    Parameters
    ----------
    data : array (Z, Y, X) or (Y, X) of uint8
        Values of the classes, in the shape of the image's data.
    over : Layer or None
        The image; None where it isn't open.
    **place
        As of :func:`add_probability`.
    """
    return viewer.add_labels(
        data,
        name=name,
        metadata={CLASSES_KEY: classes.text} | _image_of(over),
        **class_look(classes),
        **(placement(over) if over else place),
    )


def is_sparse_layer(layer: Layer) -> bool:
    """Return whether a layer holds sparse labels."""
    return bool(layer.metadata.get(CONVENTION_KEY) == LabelConvention.SPARSE)


def are_new_labels(layer: Layer) -> bool:
    """Return whether a layer holds labels that only this viewer has, and can be painted on."""
    if not isinstance(layer, Labels) or why_not_paintable(layer) or is_sparse_layer(layer):
        return False
    known_by = {ROLE_KEY, CONVENTION_KEY, CLASSES_KEY}
    return layer.source.path is None and not known_by & layer.metadata.keys()


def make_sparse(labels: Labels, over: Layer) -> None:
    """Take a person's own layer of labels for strokes over an image."""
    labels.metadata.update({CONVENTION_KEY: LabelConvention.SPARSE, **_image_of(over)})
    labels.colormap = sparse_colormap()


def corrected_slices(layer: Layer) -> list[int]:
    """List the slices of a mask or of labels that a person corrected throughout."""
    return sorted(layer.metadata.get(CORRECTED_KEY, []))


def trained_slices(layer: Layer) -> list[int] | None:
    """List the slices of a mask that its model was trained on; None: it is not known."""
    found: list[int] | None = layer.metadata.get(TRAINED_KEY)
    return found


def note_trained_slices(mask: Layer, trained: list[int] | None) -> None:
    """Keep in a mask which slices its model was trained on; None: it is not known."""
    mask.metadata.pop(TRAINED_KEY, None)
    if trained is not None:
        mask.metadata[TRAINED_KEY] = trained


def add_neurons(viewer: Viewer, data: NDArray[np.int32], over: Layer, name: str) -> Labels:
    """Add neurons (Z, Y, X) or (Y, X) of int32, each with a number and a colour.

    ``over`` is their image, or labels of it.
    """
    return viewer.add_labels(
        data,
        name=name,
        opacity=MASK_OPACITY,
        metadata=_origin(NEURONS, over) | inherited(over),
        **placement(over),
    )


def add_errors(viewer: Viewer, data: Any, over: Labels) -> Labels:
    """Add the layer of wrong pixels of a mask.

    Parameters
    ----------
    data : array (Z, Y, X) or (Y, X) of uint8
        See :func:`wrong_pixels.find_wrong`.
    over : Labels
        The mask.
    """
    layer = viewer.add_labels(
        data,
        name=f"{over.name} errors",
        colormap=error_colormap(),
        opacity=0.9,
        metadata={ROLE_KEY: ERRORS},
        cache=False,  # it changes with the masks
        **placement(over),
    )
    layer.editable = False
    return layer


def outline_region(viewer: Viewer, corners: NDArray[np.float64], over: Layer) -> Shapes:
    """Outline a rectangle of a slice; the active layer stays the one that is painted on.

    Parameters
    ----------
    corners : array (4, 3) or (4, 2) of float64
        In pixels of ``over``, along each of its axes.
    over : Layer
        A stack (Z, Y, X) or an image (Y, X).
    """
    active = viewer.layers.selection.active
    outline = viewer.add_shapes(
        [corners],
        shape_type="rectangle",
        name="uncertain region",
        edge_color="white",
        edge_width=1,
        face_color="transparent",
        metadata={ROLE_KEY: REGION},
        **placement(over),
    )
    outline.editable = False
    viewer.layers.selection.active = active
    return outline


def is_preview(layer: Layer) -> bool:
    """Return whether a layer is the preview of a training."""
    return PREVIEW_KEY in layer.metadata


def is_tissue(layer: Layer) -> bool:
    """Return whether a layer can be annotated or predicted: a grey stack, not a prediction."""
    is_from_elsewhere = role(layer) != PROBABILITY and not is_preview(layer)
    return isinstance(layer, Image) and is_from_elsewhere and not why_not_stack(layer)


def why_not_stack(layer: Image | Labels) -> str:
    """Say why a layer is not a stack (Z, Y, X) or (Y, X) of single values; empty if it is one.

    It may have several resolutions, and axes of length 1 before these.
    """
    if isinstance(layer, Image) and layer.rgb:
        return f"'{layer.name}' is a colour image: split its channels, or convert it to grey."
    pixels = full_resolution(layer)
    if 0 in pixels.shape:
        return f"'{layer.name}' has no pixels: its shape is {' x '.join(map(str, pixels.shape))}."
    if not is_stack(pixels):
        return (
            f"'{layer.name}' has {layer.ndim} dimensions, {' x '.join(map(str, pixels.shape))}: "
            "open one stack (Z, Y, X) of it, without channels or time."
        )
    return ""


def why_not_paintable(layer: Labels) -> str:
    """Say why a layer of labels is not a stack that napari can paint on; empty if it is one."""
    if layer.multiscale:
        return (
            f"'{layer.name}' has several resolutions, on which napari can't paint: open its full "
            "resolution as one layer."
        )
    if isinstance(layer.data, np.ndarray) and not layer.data.flags.writeable:
        return f"The pixels of '{layer.name}' can only be read: duplicate the layer to paint on it."
    return why_not_stack(layer)


def is_mask(layer: Layer) -> bool:
    """Return whether a layer is a mask (Z, Y, X) or (Y, X), a person's or a prediction's."""
    is_stack = isinstance(layer, Labels) and not why_not_stack(layer)
    if layer_classes(layer):
        return False
    return is_stack and role(layer) not in (ERRORS, NEURONS) and not is_sparse_layer(layer)


def is_paintable_mask(layer: Layer) -> bool:
    """Return whether a layer is a mask that can be painted on."""
    return is_mask(layer) and not why_not_paintable(layer)


def is_judged(layer: Layer) -> bool:
    """Return whether a layer can be compared with a truth: a mask, or classes."""
    is_stack = isinstance(layer, Labels) and not why_not_stack(layer)
    return is_mask(layer) or (is_stack and bool(layer_classes(layer)))


def is_truth(layer: Layer) -> bool:
    """Return whether a layer can judge others: another mask, classes, or strokes."""
    is_stack = isinstance(layer, Labels) and not why_not_stack(layer)
    return is_judged(layer) or (is_stack and is_sparse_layer(layer))


def is_predicted_class_layer(layer: Layer) -> bool:
    """Return whether a layer holds all classes as a model predicted them."""
    return MODEL_KEY in layer.metadata and bool(layer_classes(layer))


def is_neurons(layer: Layer) -> bool:
    """Return whether a layer is a stack of neurons that have ids, not a mask, strokes or classes.

    Classes are told by what a layer says of itself: few values may be few neurons.
    """
    if not isinstance(layer, Labels) or why_not_stack(layer) or is_sparse_layer(layer):
        return False
    if layer_classes(layer):
        return False
    return role(layer) not in (ERRORS, MASK) and CONVENTION_KEY not in layer.metadata


def is_predicted_mask(layer: Layer) -> bool:
    """Return whether a layer is the mask of a prediction."""
    return role(layer) == MASK
