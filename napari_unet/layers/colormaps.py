"""Colours of Labels layers."""

from __future__ import annotations

from napari.utils.colormaps import DirectLabelColormap

from napari_unet.layers.colors import INSIDE_COLOR, OTHER_COLOR, PREDICTION_COLOR, TRUTH_COLOR
from napari_unet.layers.wrong_pixels import FALSE_NEGATIVE, FALSE_POSITIVE
from training.stacks.sparse_labels import INSIDE, MEMBRANE, UNKNOWN

FAINT = "30"  # opacity, in hexadecimal of 255


def mask_colormap(color: str) -> DirectLabelColormap:
    """Make the colours of a mask: 0 is transparent, 1 = membrane has the given colour."""
    return DirectLabelColormap(color_dict={None: OTHER_COLOR, 0: "transparent", 1: color})


def sparse_colormap(is_inside_faint: bool = False) -> DirectLabelColormap:
    """Make the colours of sparse labels: unknown is transparent, membrane blue, inside yellow."""
    return DirectLabelColormap(
        color_dict={
            None: OTHER_COLOR,
            UNKNOWN: "transparent",
            MEMBRANE: TRUTH_COLOR,
            INSIDE: f"{INSIDE_COLOR}{FAINT if is_inside_faint else ''}",
        }
    )


def error_colormap() -> DirectLabelColormap:
    """Make the colours of the error layer: false positives and false negatives."""
    return DirectLabelColormap(
        color_dict={
            None: "transparent",
            FALSE_POSITIVE: PREDICTION_COLOR,
            FALSE_NEGATIVE: TRUTH_COLOR,
        }
    )
