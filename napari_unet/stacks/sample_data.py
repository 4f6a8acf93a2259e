"""The layers of samples: synthetic stacks with their labels, for trying things."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_unet.layers.class_layers import CLASSES_KEY, class_look
from napari_unet.layers.colormaps import mask_colormap
from napari_unet.layers.colors import TRUTH_COLOR
from napari_unet.layers.plugin_layers import AXIS_LABELS, CONVENTION_KEY, MASK_OPACITY
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.stacks.synthetic import OnSlice, synthetic_classes, synthetic_stack

LayerTuple = tuple[Any, dict[str, Any], str]
NANOMETRES = 50.0, 4.0, 4.0  # what such slices and pixels measure


def draw_membranes(on_slice: OnSlice) -> list[LayerTuple]:
    """Draw cells with membranes: images and ground truth (Z, Y, X) = (30, 256, 256) of uint8.

    ``on_slice`` is that of :func:`synthetic_stack`.
    """
    images, labels = synthetic_stack(on_slice=on_slice)
    membrane = (labels == 0).astype(np.uint8)
    volume = {"name": "synthetic-volume", "axis_labels": AXIS_LABELS}
    truth = {
        "name": "synthetic-labels",
        "axis_labels": AXIS_LABELS,
        "colormap": mask_colormap(TRUTH_COLOR),
        "opacity": MASK_OPACITY,
        "metadata": {CONVENTION_KEY: LabelConvention.ISBI},
    }
    return [(images, volume, "image"), (membrane, truth, "labels")]


def draw_classes(on_slice: OnSlice) -> list[LayerTuple]:
    """Draw cells with mitochondria: images and classes (Z, Y, X) = (12, 512, 512) of uint8.

    ``on_slice`` is that of :func:`synthetic_classes`.
    """
    images, labels = synthetic_classes(slices=12, size=512, on_slice=on_slice)
    classes = LabelClasses.parse("membrane,mitochondria")
    place = {"axis_labels": AXIS_LABELS, "scale": NANOMETRES, "units": ("nm",) * 3}
    truth = {
        "name": "mitochondria-labels",
        "opacity": MASK_OPACITY,
        "metadata": {CLASSES_KEY: classes.text},
        **class_look(classes),
    }
    volume = {"name": "mitochondria-volume"}
    return [(images, volume | place, "image"), (labels, truth | place, "labels")]
