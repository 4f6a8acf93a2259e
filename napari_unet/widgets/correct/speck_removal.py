"""Counts the specks of a mask, and removes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet.labelling.correction import find_specks, find_specks_of_stack
from napari_unet.layers.slices import displayed_slice
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.correct.canvas_tools import set_labels
from napari_unet.widgets.correct.specks_view import SpecksView
from training.stacks.stack_axes import as_stack

PREVIEW_DELAY = 200  # milliseconds
Found = tuple[Labels, tuple[NDArray[np.intp], ...]]


class SpeckRemoval(QObject):
    """Looks for specks in a thread: on the displayed slice as it changes, or where asked to.

    Parameters
    ----------
    viewer : Viewer
        Viewer whose slider gives the slice.
    view : SpecksView
        Has the size, and shows the count.
    """

    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, view: SpecksView) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self._layer: Labels | None = None
        self._counting = LatestWork(self, _count, view.show_count, self.failed.emit)
        self._watch = EditWatch(viewer, PREVIEW_DELAY, self)
        self._watch.edited.connect(self._preview)
        view.size_changed.connect(self._preview)
        view.removal_here_requested.connect(self._on_removal_here_requested)
        view.removal_requested.connect(self._on_removal_requested)
        self.watch(None)

    def watch(self, layer: Labels | None) -> None:
        """Look at this mask from now on."""
        self._layer = layer
        self._watch.watch(layer)
        self._view.setEnabled(layer is not None)
        self._preview()

    def _preview(self, _: object = None) -> None:
        """Count those of the slice that is shown."""
        self._view.show_count(None)
        layer = self._layer
        index = displayed_slice(self._viewer, layer) if layer is not None else None
        if layer is None or index is None:
            self._counting.drop()
        else:
            self._counting.request((layer.data, index, self._view.size_in_pixels))

    def _on_removal_here_requested(self) -> None:
        layer = self._layer
        index = displayed_slice(self._viewer, layer) if layer is not None else None
        if layer is not None and index is not None:
            self._remove(layer, [index])

    def _on_removal_requested(self) -> None:
        if self._layer is not None:
            self._remove(self._layer, range(len(as_stack(self._layer.data))))

    def _remove(self, layer: Labels, slices: Sequence[int]) -> None:
        self._view.show_removing(True)
        data, size = layer.data, self._view.size_in_pixels

        def find() -> Found:
            return layer, find_specks_of_stack(data, size, slices)

        run_in_thread(find, self._on_found, self._on_failed)

    def _on_found(self, found: Found) -> None:
        self._view.show_removing(False)
        layer, indices = found
        set_labels(layer, indices, 0)

    def _on_failed(self, error: Exception) -> None:
        self._view.show_removing(False)
        self.failed.emit(error)


def _count(request: tuple[Any, int, int]) -> int:
    mask, index, size = request
    return find_specks(np.array(as_stack(mask)[index]), size)[1]
