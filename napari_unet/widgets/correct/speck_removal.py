"""Counts the specks of a mask, and removes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet.labelling.correction import find_specks, find_specks_of_stack
from napari_unet.layers.slices import displayed_slice, edited_slices
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.correct.specks_view import SpecksView
from napari_unet.widgets.painting.pixel_setting import set_labels
from training.errors import UserError
from training.stacks.stack_axes import as_stack

PREVIEW_DELAY = 200  # milliseconds
Specks = tuple[NDArray[np.intp], ...]  # indices of their pixels


@dataclass(frozen=True)
class _Search:
    """Where to look for specks of fewer pixels than a size: a layer, its pixels, and slices."""

    layer: Labels
    data: Any
    size: int
    slices: set[int]


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
        self._specks: dict[int, Specks] = {}  # to be removed, by slices
        self._painted: set[int] = set()  # slices, while specks are looked for
        self._painting = Connections(self)
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

    def _remove(self, layer: Labels, slices: Iterable[int]) -> None:
        self._view.show_removing(True)
        self._specks = {}
        self._search(_Search(layer, layer.data, self._view.size_in_pixels, set(slices)))

    def _search(self, search: _Search) -> None:
        self._painted = set()
        self._painting.add(search.layer.events.paint, self._on_painted)
        run_in_thread(lambda: (search, _find(search)), self._on_found, self._on_failed)

    def _on_painted(self, event: Any) -> None:
        self._painted |= edited_slices(event)

    def _on_found(self, found: tuple[_Search, dict[int, Specks]]) -> None:
        """Remove what was found, once no slice of it was painted on meanwhile."""
        self._painting.clear()
        search, specks = found
        layer, data = search.layer, search.data
        if layer not in self._viewer.layers or layer.data is not data:
            problem = f"'{layer.name}' was removed or got other pixels meanwhile."
            self._on_failed(UserError(problem, "Try again."))
            return
        self._specks |= specks
        if painted := self._painted & set(self._specks):
            self._search(replace(search, slices=painted))
            return
        parts = zip(*self._specks.values(), strict=True)
        indices = tuple(np.concatenate([np.empty(0, np.intp), *part]) for part in parts)
        try:
            set_labels(layer, indices, 0)
        except UserError as error:
            self.failed.emit(error)
        self._view.show_removing(False)

    def _on_failed(self, error: Exception) -> None:
        self._painting.clear()
        self._view.show_removing(False)
        self.failed.emit(error)


def _find(search: _Search) -> dict[int, Specks]:
    return {
        index: find_specks_of_stack(search.data, search.size, [index])
        for index in sorted(search.slices)
    }


def _count(request: tuple[Any, int, int]) -> int:
    mask, index, size = request
    return find_specks(np.array(as_stack(mask)[index]), size)[1]
