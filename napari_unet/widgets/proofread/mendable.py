"""Which layers of labels operations can change."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels

from napari_unet.layers.plugin_layers import why_not_paintable


def why_not_mendable(layer: Labels) -> str:
    """Say why the pixels of a layer can't be mended; empty where they can."""
    problem = why_not_paintable(layer)
    if not problem and not isinstance(layer.data, np.ndarray):
        problem = (
            f"'{layer.name}' is read from its file bit by bit, and is not mended there: "
            "open the region to mend as labels in memory."
        )
    elif not problem and not layer.data.flags.writeable:
        problem = f"'{layer.name}' can't be written to: duplicate the layer, and mend the copy."
    elif not problem and not layer.data.flags.c_contiguous:
        problem = f"'{layer.name}' is a view of other pixels: duplicate it, and mend the copy."
    elif not problem and layer.data.dtype.kind not in "iu":
        problem = f"'{layer.name}' has no whole numbers for ids: convert it to integers."
    return problem
