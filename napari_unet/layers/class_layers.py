"""Layers of labels whose values are classes: what they are, and how they look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.layers import Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.layers.colors import OTHER_COLOR
from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses

# In a layer's metadata: its classes, as the option ``classes`` of a training has them.
CLASSES_KEY = "label_classes"
# In a predicted layer's metadata: the thresholds that decided, by the names of some classes.
CLASS_THRESHOLDS_KEY = "class_thresholds"
OPACITY = 0.5


def layer_classes(layer: Layer) -> LabelClasses:
    """Read the classes in a layer's metadata; empty where there are none, or no such."""
    return read_classes(layer.metadata)


def read_classes(metadata: Mapping[str, Any]) -> LabelClasses:
    """Read the classes in the metadata of a layer, as :func:`layer_classes`."""
    try:
        return LabelClasses.parse(str(metadata.get(CLASSES_KEY, "")))
    except UserError:
        return NO_CLASSES


def layer_thresholds(layer: Layer) -> dict[str, float]:
    """Read the thresholds that decided a layer's classes, by the names of some of these."""
    found = layer.metadata.get(CLASS_THRESHOLDS_KEY, {})
    return {name: found[name] for name in layer_classes(layer).names if name in found}


def are_thresholds(found: Any) -> bool:
    """Return whether a document has thresholds of classes: numbers from 0 to 1, by names."""
    return isinstance(found, dict) and all(
        type(number) is float and 0 <= number <= 1 for number in found.values()
    )


def class_look(classes: LabelClasses) -> dict[str, Any]:
    """Make the arguments of a Labels layer of classes: colours, and names under the mouse.

    Background and what is unknown are transparent.
    """
    colors: dict[int | None, str] = {None: OTHER_COLOR, 0: "transparent"}
    colors |= {member.value: member.color for member in classes.members if member.value}
    if classes.unknown is not None:
        colors[classes.unknown] = "transparent"
    named = {member.value: member.name for member in classes.members}
    return {
        "opacity": OPACITY,
        "colormap": DirectLabelColormap(color_dict=colors),
        "features": {"index": [*named], "class": [*named.values()]},
    }
