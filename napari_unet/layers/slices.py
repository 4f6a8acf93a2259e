"""The pixels of a layer, the slice that the slider is at, and those that were painted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pint
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer


def full_resolution(layer: Layer) -> Any:
    """Return a layer's data, or the largest of those of a multiscale layer."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def stack_shape(layer: Layer) -> tuple[int, int, int]:
    """Return how large a layer is as a stack (Z, Y, X), whatever axes of length 1 are before."""
    depth, height, width = (1, *full_resolution(layer).shape)[-3:]
    return depth, height, width


def slider_in_pixels(viewer: Viewer, layer: Layer) -> NDArray[np.float64]:
    """Find where the sliders are, in pixels along each axis of a layer: (ndim,) of float64."""
    point = np.zeros(layer.ndim)
    shown = viewer.dims.point[-layer.ndim :]  # fewer while the last layer is being removed
    point[-len(shown) :] = shown
    return pixels_at(viewer, layer, point)


def pixels_at(viewer: Viewer, layer: Layer, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert a place (ndim,) in units of sliders and camera to a layer's pixels, as float64."""
    return np.asarray(layer.world_to_data(point / _world_units_per_unit(viewer, layer)))


def pixels_in_world(
    viewer: Viewer, layer: Layer, pixels: Sequence[float] | NDArray[Any]
) -> NDArray[np.float64]:
    """Convert a place (ndim,) in a layer's pixels to units of sliders and camera, as float64."""
    return np.asarray(layer.data_to_world(pixels)) * _world_units_per_unit(viewer, layer)


def translation_to(layer: Layer, pixel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the translation that puts another layer's first pixel on one of this layer.

    Both are arrays (ndim,) of float64.
    """
    moved = np.subtract(layer.data_to_world(pixel), layer.data_to_world(0 * pixel))
    return np.asarray(layer.translate + np.linalg.solve(layer.affine.linear_matrix, moved))


def displayed_slice(viewer: Viewer, layer: Layer) -> int | None:
    """Return the index along Z of the slice that the slider is at; None outside of the layer."""
    if layer.ndim < 3:
        return 0
    index = round(float(slider_in_pixels(viewer, layer)[-3]))
    return index if 0 <= index < stack_shape(layer)[0] else None


def show_slice(viewer: Viewer, layer: Layer, index: int) -> None:
    """Move the slider to a slice of a stack."""
    if layer.ndim < 3:
        return
    place = slider_in_pixels(viewer, layer)
    place[-3] = index
    axis = viewer.dims.ndim - 3
    viewer.dims.set_point(axis, pixels_in_world(viewer, layer, place)[-3])


def nearest_first(indices: Iterable[int], shown: int | None) -> list[int]:
    """Sort slices by their distance from the one that is shown; None: by their index."""
    return sorted(indices, key=lambda index: (abs(index - (shown or 0)), index))


def edited_slices(event: Any) -> set[int]:
    """List the slices along Z that a ``paint`` event of a Labels layer names; 0 of (Y, X)."""
    if event.source.ndim < 3:
        return {0}
    edited: set[int] = set()
    for atom in event.value:
        along_z = atom[0][-3]  # napari: a slice of the edited box, or an array of indices
        if isinstance(along_z, slice):
            edited.update(range(along_z.start, along_z.stop))
        else:
            is_of_one = np.all(along_z == along_z[:1])  # sooner found than what is in it
            edited.update(map(int, along_z[:1] if is_of_one else np.unique(along_z)))
    return edited


def _world_units_per_unit(viewer: Viewer, layer: Layer) -> NDArray[np.float64]:
    """Convert a layer's units to the viewer's, which are the smallest ones of any layer: (ndim,).

    ``Layer.world_to_data`` takes no notice of the difference.
    """
    world = viewer.dims.units
    if world is None or len(world) < layer.ndim or world[-layer.ndim :] == layer.units:
        return np.ones(layer.ndim)
    registry = pint.get_application_registry()
    return np.array(
        [
            registry.Quantity(1.0, unit).to(other).magnitude
            for unit, other in zip(layer.units, world[-layer.ndim :], strict=True)
        ]
    )
