"""The sample of File > Open Sample: a synthetic stack with its labels, for trying things."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_unet.layers import CONVENTION_KEY, MASK_OPACITY, TRUTH_COLOR, mask_colormap
from training.stacks import to_membrane
from training.synthetic import synthetic_stack

LayerTuple = tuple[Any, dict[str, Any], str]


def open_synthetic() -> list[LayerTuple]:
    """Image and ground truth (Z, Y, X) = (30, 256, 256) of drawn cells with membranes."""
    from napari_unet.widgets.background import wait_in_thread

    images, labels = wait_in_thread(synthetic_stack, "Drawing cells")
    membrane = to_membrane(labels, "isbi").astype(np.uint8)
    truth = {
        "name": "synthetic-labels",
        "colormap": mask_colormap(TRUTH_COLOR),
        "opacity": MASK_OPACITY,
        "metadata": {CONVENTION_KEY: "isbi"},
    }
    return [(images, {"name": "synthetic-volume"}, "image"), (membrane, truth, "labels")]
