"""Commands of napari's Layers menu that act on the selected layers."""

from __future__ import annotations

from collections.abc import Iterator

import napari
from napari.layers import Layer

ISBI_VOXEL = (50.0, 4.0, 4.0)


def set_isbi_voxel_size(viewer: napari.Viewer) -> None:
    """Give the selected layers the voxels of the ISBI 2012 stacks, 50 x 4 x 4 nm (Z, Y, X)."""
    step = viewer.dims.current_step
    for layer in _selected_layers(viewer):
        layer.scale = (*(1.0,) * (layer.ndim - 3), *ISBI_VOXEL)[-layer.ndim :]
        layer.units = ("nm",) * layer.ndim
    viewer.dims.current_step = step
    viewer.reset_view()


def _selected_layers(viewer: napari.Viewer) -> Iterator[Layer]:
    return (layer for layer in viewer.layers if layer in viewer.layers.selection)
