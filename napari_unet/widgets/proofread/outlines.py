"""What shows the chosen neurons: an outline on the slice, a surface in the 3-D view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.plugin_layers import REGION, ROLE_KEY, placement
from napari_unet.layers.slices import displayed_slice
from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.edits import Volume
from napari_unet.widgets.common.connections import remove_later
from napari_unet.widgets.common.latest_work import LatestWork

FIRST_COLOR, OTHER_COLOR = "white", "#FFD54A"
MOST_PIXELS = 1_000_000  # of an outline's box: what is larger is outlined more coarsely
MOST_VOXELS = 2_000_000  # of a surface: larger neurons are meshed more coarsely
Mesh = tuple[NDArray[np.float64], NDArray[np.int64]]


class ChosenOutline(QObject):
    """Outlines of the chosen neurons on the displayed slice; the first one is white."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None

    def show(self, over: Labels, volume: Volume, index: BodyIndex, bodies: Sequence[int]) -> None:
        """Draw the outlines of neurons of the labels again."""
        z = displayed_slice(self._viewer, over)
        paths, colors = [], []
        for number, body in enumerate(bodies):
            section = index.sections(body).get(z) if z is not None else None
            if section is None:
                continue
            for path in _contours(volume[z][section.box], body):
                path += (section.top, section.left)
                paths.append(np.column_stack([np.full(len(path), z), path])[:, 3 - over.ndim :])
                colors.append(OTHER_COLOR if number else FIRST_COLOR)
        if not paths:
            self.hide()
            return
        if self._layer is None or self._layer not in self._viewer.layers:
            self._layer = _add(self._viewer, over)
        self._layer.data = []
        self._layer.add_paths(paths, edge_width=2, edge_color=colors)

    def hide(self) -> None:
        """Remove the outlines."""
        layer, self._layer = self._layer, None
        remove_later(self._viewer, layer)


class ChosenSurface(QObject):
    """The surface of the first chosen neuron, meshed in a thread while the view is 3-D."""

    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._over: Labels | None = None
        self._layer: Any = None
        self._meshing = LatestWork(self, _mesh, self._on_meshed, self.failed.emit)

    def show(self, over: Labels, volume: Volume, index: BodyIndex, bodies: Sequence[int]) -> None:
        """Mesh the first of some neurons of the labels."""
        if self._viewer.dims.ndisplay != 3 or over.ndim < 3 or not bodies:
            self.hide()
            return
        self._over = over
        self._meshing.request((volume, index.box(bodies[:1]), bodies[0]))

    def hide(self) -> None:
        """Remove the surface."""
        self._meshing.drop()
        layer, self._layer = self._layer, None
        remove_later(self._viewer, layer)

    def _on_meshed(self, mesh: Mesh | None) -> None:
        if self._layer in self._viewer.layers:  # not later: the new one has the same name
            self._viewer.layers.remove(self._layer)
        if mesh is None or self._over is None or self._over not in self._viewer.layers:
            return
        active = self._viewer.layers.selection.active
        vertices = np.pad(mesh[0], ((0, 0), (self._over.ndim - 3, 0)))
        self._layer = self._viewer.add_surface(
            (vertices, mesh[1]),
            name="chosen neuron",
            metadata={ROLE_KEY: REGION},
            **placement(self._over),
        )
        self._viewer.layers.selection.active = active


def _add(viewer: Viewer, over: Labels) -> Layer:
    active = viewer.layers.selection.active
    layer = viewer.add_shapes(
        name="chosen neurons", metadata={ROLE_KEY: REGION}, ndim=over.ndim, **placement(over)
    )
    layer.editable = False
    viewer.layers.selection.active = active
    return layer


def _contours(page: NDArray[Any], body: int) -> list[NDArray[np.float64]]:
    """Find the outlines (N, 2) of a neuron in a part (Y, X) of a slice, in its pixels."""
    from skimage import measure

    step = _step(page.size, MOST_PIXELS)
    mask = np.pad(page[::step, ::step] == body, 1).astype(np.uint8)
    find: Any = measure.find_contours
    return [(path - 1) * step for path in find(mask, 0.5)]


def _step(size: int, most: int) -> int:
    """Give the step along Y and X that leaves at most so many pixels."""
    return int(np.ceil(np.sqrt(max(1.0, size / most))))


def _mesh(request: tuple[Volume, Any, int]) -> Mesh | None:
    from skimage import measure

    volume, box, body = request
    if box is None:
        return None
    around = volume[box]
    step = _step(around.size, MOST_VOXELS)
    padded = np.pad(around[:, ::step, ::step] == body, 1).astype(np.uint8)
    march: Any = measure.marching_cubes
    vertices, faces, *_ = march(padded, 0.5)
    corner = [axis.start for axis in box]
    return (vertices - 1) * (1, step, step) + corner, faces
