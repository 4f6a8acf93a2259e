"""Where to look next: goes through the regions that the model is least sure of."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet.labelling.uncertainty import Region, SliceUncertainty, rank_uncertainty
from napari_unet.layers.slices import pixels_in_world, show_slice, slider_in_pixels
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.correct.corrected_view import slice_links

ROOM = 3.0  # a region takes a third of the canvas, to be seen with its surroundings
TOLD_SLICES = 5
Ranking = tuple[list[SliceUncertainty], list[Region]]


class NextRegion(QWidget):
    """Ranks in a thread, and centres the camera on one region after the other.

    Parameters
    ----------
    viewer : Viewer
        Whose slider and camera are moved.
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._probability: Image | None = None
        self._regions: list[Region] = []
        self._next = 0
        self._ranking = LatestWork(self, _rank, self._on_ranked, self._on_failed)
        self._button = QPushButton("Next region  (N)")
        self._button.setToolTip("Go to the next region that the model is unsure of; N anywhere.")
        self._button.clicked.connect(self.go)
        self._where, self._slices = QLabel(), QLabel()
        self._slices.setWordWrap(True)
        self._slices.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse)
        self._slices.linkActivated.connect(self._on_link)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for one in (self._button, self._where, self._slices):
            layout.addWidget(one)
        Connections(self).bind_key(viewer, "n", self.go)

    def watch(self, probability: Image | None) -> None:
        """Rank this probability when it is next asked for."""
        self._probability = probability
        self._regions = []
        self._ranking.drop()
        self._button.setEnabled(probability is not None)
        self._where.setText("")
        self._slices.setText("" if probability else "Predict first: the probability tells it.")

    def go(self, _: object = None) -> None:
        """Go to the next region; the first time, rank them."""
        if self._regions:
            self._show(self._regions[self._next % len(self._regions)])
            self._next += 1
        elif self._probability is not None and not self._ranking.is_busy:
            self._where.setText("Ranking…")
            self._ranking.request(self._probability.data)

    def _on_ranked(self, ranking: Ranking) -> None:
        slices, regions = ranking
        self._regions, self._next = regions, 0
        worst = slice_links(one.z for one in slices[:TOLD_SLICES])
        self._slices.setText(f"Most uncertain slices: {worst}")
        self.go()

    def _on_failed(self, error: Exception) -> None:
        self._where.setText("")
        report(error)

    def _show(self, region: Region) -> None:
        layer: Any = self._probability
        show_slice(self._viewer, layer, region.z)
        place = slider_in_pixels(self._viewer, layer)
        place[-2:] = region.y, region.x
        start = pixels_in_world(self._viewer, layer, place)
        place[-2:] = region.y + region.height, region.x + region.width
        end = pixels_in_world(self._viewer, layer, place)
        camera = self._viewer.scene.camera
        camera.center = (0.0, *(start + end)[-2:] / 2)
        size = float(end[-2] - start[-2])
        height = min(self._viewer.canvas.size)
        camera.zoom = height / (ROOM * size)
        total = len(self._regions)
        self._where.setText(
            f"{self._regions.index(region) + 1} of {total}: slice {region.z}, "
            f"uncertainty {region.score:.2f} bits"
        )

    def _on_link(self, link: str) -> None:
        if self._probability is not None:
            show_slice(self._viewer, self._probability, int(link))


def _rank(probability: Any) -> Ranking:
    return rank_uncertainty(probability if probability.ndim == 3 else probability[np.newaxis])
