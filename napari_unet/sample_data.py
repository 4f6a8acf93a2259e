"""The sample of File > Open Sample: a synthetic stack with its labels, for trying things."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_unet.colormaps import mask_colormap
from napari_unet.colors import TRUTH_COLOR
from napari_unet.layers import AXIS_LABELS, CONVENTION_KEY, MASK_OPACITY
from training.stacks import to_membrane
from training.synthetic import synthetic_stack

LayerTuple = tuple[Any, dict[str, Any], str]


def open_synthetic() -> list[LayerTuple]:
    """Image and ground truth (Z, Y, X) = (30, 256, 256) of drawn cells with membranes."""
    from napari_unet.widgets.background import wait_in_thread

    images, labels = wait_in_thread(synthetic_stack, "Drawing cells")
    membrane = to_membrane(labels, "isbi").astype(np.uint8)
    volume = {"name": "synthetic-volume", "axis_labels": AXIS_LABELS}
    truth = {
        "name": "synthetic-labels",
        "axis_labels": AXIS_LABELS,
        "colormap": mask_colormap(TRUTH_COLOR),
        "opacity": MASK_OPACITY,
        "metadata": {CONVENTION_KEY: "isbi"},
    }
    return [(images, volume, "image"), (membrane, truth, "labels")]
