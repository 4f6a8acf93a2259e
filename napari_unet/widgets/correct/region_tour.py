"""Goes through the regions that the model is least sure of."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image, Shapes
from qtpy.QtCore import QObject, Signal

from napari_unet.labelling.uncertainty import Region, SliceUncertainty, rank_uncertainty
from napari_unet.layers.plugin_layers import outline_region
from napari_unet.layers.slices import pixels_in_world, show_slice, slider_in_pixels
from napari_unet.widgets.common.connections import Connections, remove_later
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.correct.next_region_view import NextRegionView
from training.stacks.stack_axes import as_stack

ROOM = 3.0  # a region takes a third of the canvas, to be seen with its surroundings
LISTED_SLICES = 5
Ranking = tuple[list[SliceUncertainty], list[Region]]


class RegionTour(QObject):
    """Ranks regions in a thread, and centres the camera on one after the other.

    Parameters
    ----------
    viewer : Viewer
        Viewer whose slider and camera are moved.
    view : NextRegionView
        Asks for regions and slices, and shows which they are.
    """

    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, view: NextRegionView) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self._probability: Image | None = None
        self._regions: list[Region] = []
        self._next = 0
        self._outline: Shapes | None = None
        self._ranking = LatestWork(self, _rank, self._on_ranked, self._on_failed)
        view.next_requested.connect(self.go)
        view.slice_requested.connect(self._on_slice_requested)
        Connections(self).bind_key(viewer, "n", self.go)

    def watch(self, probability: Image | None) -> None:
        """Rank this probability when it is next asked for."""
        if probability is None or probability != self._probability:
            self._probability = probability
            self.rank_again()

    def hide(self) -> None:
        """Remove the outline of the region."""
        outline, self._outline = self._outline, None
        remove_later(self._viewer, outline)

    def rank_again(self, _: object = None) -> None:
        """Forget the ranking: the probability may have changed."""
        self.hide()
        self._regions = []
        self._ranking.drop()
        self._view.show_probability(self._probability is not None)

    def go(self, _: object = None) -> None:
        """Go to the next region; the first time, rank them."""
        if self._regions:
            self._show(self._regions[self._next % len(self._regions)])
            self._next += 1
        elif self._probability is not None and not self._ranking.is_busy:
            self._view.show_place("Ranking…")
            self._ranking.request(self._probability.data)

    def _on_ranked(self, ranking: Ranking) -> None:
        slices, regions = ranking
        self._regions, self._next = regions, 0
        self._view.show_slices(item.z for item in slices[:LISTED_SLICES])
        if regions:
            self.go()
        else:
            self._view.show_place("The model is sure everywhere.")

    def _on_failed(self, error: Exception) -> None:
        self._view.show_place("")
        self.failed.emit(error)

    def _show(self, region: Region) -> None:
        layer: Any = self._probability
        show_slice(self._viewer, layer, region.z)
        place = slider_in_pixels(self._viewer, layer)
        place[-2:] = region.y, region.x
        start = pixels_in_world(self._viewer, layer, place)
        corners = np.tile(place, (4, 1))
        corners[[1, 2], -1] += region.width
        corners[[2, 3], -2] += region.height
        self.hide()
        corners[:, -2:] -= 0.5  # pixels begin half a pixel before their centres
        self._outline = outline_region(self._viewer, corners, layer)
        place[-2:] = region.y + region.height, region.x + region.width
        end = pixels_in_world(self._viewer, layer, place)
        camera = self._viewer.scene.camera
        camera.center = (0.0, *(start + end)[-2:] / 2)
        size = float(end[-2] - start[-2])
        height = min(self._viewer.canvas.size)
        camera.zoom = height / (ROOM * size)
        total = len(self._regions)
        self._view.show_place(
            f"{self._regions.index(region) + 1} of {total} uncertain regions: slice {region.z}"
        )

    def _on_slice_requested(self, index: int) -> None:
        if self._probability is not None:
            show_slice(self._viewer, self._probability, index)


def _rank(probability: Any) -> Ranking:
    return rank_uncertainty(as_stack(probability))
