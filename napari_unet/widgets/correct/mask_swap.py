"""The Layers menu's command that swaps membrane and inside, off the window's thread."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet.stacks.napari_writer import OnSlice
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.files.long_task import LongTask

_running: set[MaskSwap] = set()


def swap_membrane(viewer: Viewer) -> None:
    """Make membrane inside and inside membrane in the selected masks; napari's hook."""
    for layer in list(viewer.layers):
        if isinstance(layer, Labels) and layer in viewer.layers.selection:
            MaskSwap(viewer, layer).start()


class MaskSwap(QObject):
    """Reads a mask in a thread, and gives it the swapped pixels at the end.

    Parameters
    ----------
    viewer : Viewer
        Has the mask, which may be painted on or removed meanwhile.
    mask : Labels
        Of any number of dimensions and resolutions.
    """

    def __init__(self, viewer: Viewer, mask: Labels) -> None:
        super().__init__()
        self._viewer, self._mask = viewer, mask
        self._data: Any = None
        self._edited: set[int] | None = set()  # None: any slice
        self._is_outdated = False
        self._watch = EditWatch(viewer, 0, self)
        self._watch.edited.connect(self._on_edited)

    def start(self) -> None:
        """Begin; progress is shown where it takes long."""
        _running.add(self)
        self._data = self._mask.data
        if not self._mask.multiscale:  # nobody paints on others, which are drawn again at a zoom
            self._watch.watch(self._mask)
            self._watch.flush()  # all slices are reported first
        self._edited, self._is_outdated = set(), False
        sizes = list(self._data) if self._mask.multiscale else [self._data]
        task = LongTask(f"Swapping {self._mask.name}", partial(_swap, sizes))
        task.done.connect(self._on_swapped)
        task.failed.connect(report)
        task.ended.connect(self._on_ended)
        task.start()

    def _on_edited(self, slices: set[int] | None) -> None:
        is_known = self._edited is not None and slices is not None
        self._edited = (self._edited or set()) | (slices or set()) if is_known else None

    def _on_swapped(self, swapped: list[NDArray[np.uint8]]) -> None:
        if self._mask not in self._viewer.layers:
            return
        self._watch.flush()
        if self._mask.data is not self._data or self._edited is None:
            self._is_outdated = True
            return
        for index in self._edited:
            page = (..., index, slice(None), slice(None)) if self._mask.ndim > 2 else (...,)
            swapped[0][page] = np.asarray(self._data[page]) == 0
        self._mask.data = swapped if self._mask.multiscale else swapped[0]

    def _on_ended(self) -> None:
        if self._is_outdated:
            self.start()
            return
        self._watch.watch(None)
        _running.discard(self)


def _swap(sizes: Sequence[Any], on_slice: OnSlice) -> list[NDArray[np.uint8]]:
    """Swap the pixels of each resolution (..., Y, X) of any dtype, slice by slice."""
    places = [(size, place) for size in sizes for place in np.ndindex(size.shape[:-2])]
    swapped = {id(size): np.empty(size.shape, np.uint8) for size in sizes}
    for done, (size, place) in enumerate(places, 1):
        swapped[id(size)][place] = np.asarray(size[place]) == 0
        on_slice(done, len(places))
    return list(swapped.values())
