"""Labels as outlines while a mask is corrected, so that image and mask can be seen."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_unet.layers.colormaps import sparse_colormap

CONTOUR = 1  # pixels


class LabelOutlines(QObject):
    """Draws one layer of sparse labels as outlines, and gives it its own looks back."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._labels: Labels | None = None
        self._looks: tuple[int, Any] = (0, None)  # contour and colormap of a person

    def outline(self, labels: Labels | None) -> None:
        """Outline these labels and no others; None: none."""
        if labels == self._labels:
            return
        former, self._labels = self._labels, labels
        if former is not None:
            former.contour, former.colormap = self._looks
        if labels is not None:
            self._looks = int(labels.contour), labels.colormap
            labels.contour, labels.colormap = CONTOUR, sparse_colormap(is_inside_faint=True)
