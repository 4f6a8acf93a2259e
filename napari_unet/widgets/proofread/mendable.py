"""Which layers of labels operations can change, and of which they can change a copy."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels

from napari_unet.layers.plugin_layers import why_not_stack
from napari_unet.layers.slices import full_resolution


def why_not_mendable(layer: Labels) -> str:
    """Say why the pixels of a layer can't be mended; empty where they can."""
    return _why_not_ids(layer) or _why_not_in_place(layer)


def is_copy_mendable(layer: Labels) -> bool:
    """Return whether a copy of a layer's pixels can be mended, and they can't."""
    return not _why_not_ids(layer) and bool(_why_not_in_place(layer))


def _why_not_ids(layer: Labels) -> str:
    problem = why_not_stack(layer)
    if not problem and full_resolution(layer).dtype.kind not in "iu":
        problem = f"'{layer.name}' has no whole numbers for ids: convert it to integers."
    return problem


def _why_not_in_place(layer: Labels) -> str:
    problem = ""
    if layer.multiscale:
        problem = f"'{layer.name}' has several resolutions"
    elif not isinstance(layer.data, np.ndarray):
        problem = f"'{layer.name}' is read from its file bit by bit"
    elif not layer.data.flags.writeable:
        problem = f"'{layer.name}' can't be written to"
    elif not layer.data.flags.c_contiguous:
        problem = f"'{layer.name}' is a view of other pixels"
    return problem and f"{problem}: what is mended is a copy."
