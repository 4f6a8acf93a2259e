"""The part of the correct dock that removes specks."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_unet.labelling.correction import find_specks
from napari_unet.layers.slices import displayed_slice
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.correct.canvas_tools import set_labels, set_pixels

LARGEST = 10_000
SPIN_WIDTH = 96
PREVIEW_DELAY = 200  # milliseconds


class SpecksView(QWidget):
    """Tells how many specks there are under a size on the slice, and removes them there or all.

    Parameters
    ----------
    viewer : Viewer
        Whose slider tells the slice.
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Labels | None = None
        self._counting = LatestWork(self, _count, self._on_counted)
        self._size = QSpinBox()
        self._size.setRange(1, LARGEST)
        self._size.setValue(40)
        self._size.setSuffix(" px")
        self._size.setMinimumWidth(SPIN_WIDTH)
        self._size.setToolTip("Islands of membrane with fewer pixels than this are specks.")
        self._count = QLabel()
        self._here, self._all = QPushButton("Remove here"), QPushButton("In all slices")
        self._here.setToolTip("Remove the specks of this slice; Ctrl-Z undoes it.")
        self._all.setToolTip("Remove the specks of every slice; Ctrl-Z undoes all of it.")
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(QLabel("Specks under"))
        first.addWidget(self._size)
        first.addWidget(self._count, 1)
        second.addWidget(self._here)
        second.addWidget(self._all)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(first)
        layout.addLayout(second)
        self._watch = EditWatch(viewer, PREVIEW_DELAY, self)
        self._watch.edited.connect(self._preview)
        self._size.valueChanged.connect(self._preview)
        self._here.clicked.connect(self._on_here_requested)
        self._all.clicked.connect(self._on_all_requested)
        self.watch(None)

    def watch(self, layer: Labels | None) -> None:
        """Look at this mask from now on."""
        self._layer = layer
        self._watch.watch(layer)
        self.setEnabled(layer is not None)
        self._preview()

    def _preview(self, _: object = None) -> None:
        """Count in a thread those of the slice that is shown."""
        page = self._page()
        self._count.setText("")
        if page is None:
            self._counting.drop()
        else:
            self._counting.request((page, self._size.value()))

    def _on_counted(self, count: int) -> None:
        self._count.setText(f"{count} here")

    def _page(self) -> Any:
        if self._layer is None:
            return None
        index = displayed_slice(self._viewer, self._layer)
        if index is None:
            return None
        data = self._layer.data
        return np.array(data[index] if data.ndim == 3 else data)

    def _on_here_requested(self) -> None:
        layer, page = self._layer, self._page()
        if layer is not None and page is not None:
            index = displayed_slice(self._viewer, layer) if layer.ndim == 3 else None
            set_pixels(layer, index, find_specks(page, self._size.value())[0], 0)

    def _on_all_requested(self) -> None:
        layer = self._layer
        if layer is not None:
            self._all.setEnabled(False)
            find = partial(_find_all, layer.data, self._size.value())
            run_in_thread(lambda: (layer, find()), self._on_found, self._on_failed)

    def _on_found(self, result: tuple[Labels, tuple[NDArray[np.intp], ...]]) -> None:
        self._all.setEnabled(True)
        layer, indices = result
        set_labels(layer, indices, 0)

    def _on_failed(self, error: Exception) -> None:
        self._all.setEnabled(True)
        report(error)


def _count(request: tuple[NDArray[Any], int]) -> int:
    return find_specks(*request)[1]


def _find_all(mask: Any, size: int) -> tuple[NDArray[np.intp], ...]:
    """Indices of the pixels of all specks of a mask."""
    if mask.ndim == 2:
        return find_specks(mask, size)[0]
    found = [find_specks(np.array(page), size)[0] for page in mask]
    slices = [np.full(len(rows), index) for index, (rows, _) in enumerate(found)]
    rows, columns = zip(*found, strict=True)
    return np.concatenate(slices), np.concatenate(rows), np.concatenate(columns)
