"""Puts a mask's corrected slices into the labels of its image, off the window's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_unet.labelling.correction import as_ground_truth, changes_to_truth
from napari_unet.layers.layer_search import image_under, labels_over
from napari_unet.layers.plugin_layers import CORRECTED_KEY, add_sparse_labels, corrected_slices
from napari_unet.stacks.napari_writer import OnSlice
from napari_unet.widgets.files.long_task import LongTask
from napari_unet.widgets.painting.pixel_setting import PixelSetting
from training.errors import UserError


class TruthMaking(QObject):
    """Reads corrected slices in a thread, and sets the pixels of labels that differ bit by bit.

    Parameters
    ----------
    viewer : Viewer
        Has the labels of the mask's image, or gets them.
    parent : QWidget
        Progress is shown before its window. Once it is deleted no more pixels are set.
    """

    failed = Signal(Exception)
    ended = Signal()  # well, badly, or because a person cancelled it

    def __init__(self, viewer: Viewer, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer, self._widget = viewer, parent
        self._mask: Any = None
        self._labels: Any = None
        self._corrected: list[int] = []
        self._on_made: Callable[[Labels], None] = lambda _: None
        self._setting = PixelSetting(self)
        self._setting.done.connect(self._on_set)
        self._setting.failed.connect(self._on_unset)

    def make(self, mask: Labels, on_made: Callable[[Labels], None]) -> None:
        """Put the corrected slices of a mask into the topmost sparse labels of its image.

        Parameters
        ----------
        mask : Labels
            Without such labels it gets some.
        on_made : callable
            Called with the labels.
        """
        self._mask, self._labels = mask, labels_over(self._viewer, mask)
        self._corrected, self._on_made = corrected_slices(mask), on_made
        data = mask.data, None if self._labels is None else self._labels.data
        task = LongTask(
            "Reading the corrected slices", partial(_read, *data, self._corrected), self._widget
        )
        task.done.connect(self._on_read)
        task.failed.connect(self.failed)
        task.ended.connect(self._on_ended)
        task.start()

    def _on_read(self, found: Any) -> None:
        if self._labels is None:
            image = image_under(self._viewer, self._mask) or self._mask
            name = f"{image.name} truth"
            self._on_made(add_sparse_labels(self._viewer, found, image, name, self._corrected))
        elif self._labels not in self._viewer.layers:
            problem = f"'{self._labels.name}' was removed while the mask was read."
            self.failed.emit(UserError(problem, "Try again."))
        else:
            self._setting.start(self._labels, *found)

    def _on_set(self) -> None:
        earlier = corrected_slices(self._labels)
        self._labels.metadata[CORRECTED_KEY] = sorted({*earlier, *self._corrected})
        self._on_made(self._labels)
        self.ended.emit()

    def _on_unset(self, error: Exception) -> None:
        self.failed.emit(error)
        self.ended.emit()

    def _on_ended(self) -> None:
        if not self._setting.is_busy:
            self.ended.emit()


def _read(mask: Any, labels: Any, corrected: Sequence[int], on_slice: OnSlice) -> Any:
    """Make new labels of a mask's corrected slices, or find what changes in those there are."""

    def watched() -> Iterator[int]:
        for done, index in enumerate(corrected, 1):
            yield index
            on_slice(done, len(corrected))

    if labels is None:
        return as_ground_truth(mask, watched())
    return changes_to_truth(mask, watched(), labels)
