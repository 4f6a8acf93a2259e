"""Neurons that lie in a file, such as a large zarr: a copy of them is mended.

It is in memory, or in a file without a name where it is too large for that.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from dask.utils import format_bytes
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet.layers.layer_search import image_under
from napari_unet.layers.plugin_layers import IMAGE_KEY, NEURONS, ROLE_KEY, placement
from napari_unet.layers.slices import full_resolution
from napari_unet.layers.unpredicted import inherited
from napari_unet.stacks.large_array import (
    allocate_to_fill,
    fits_in_memory,
    scratch_folder,
    size_of,
)
from napari_unet.stacks.napari_writer import OnSlice
from napari_unet.widgets.common.background import Progress, StoppedError
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.proofread.mendable import is_copy_mendable
from training.errors import UserError
from training.formats.chunked_stack import unreadable
from training.resources.limits import free_memory
from training.stacks.stack_axes import as_stack

TITLE = "Copying the neurons"
_SMALLER = "Find the neurons of a part with 'napari-unet segment --region', and mend these"
_Request = tuple[str, Any, Path, Progress]


class CopyButton(QWidget):
    """Offers to copy a layer that can't be mended, and puts a layer of the copy in its place.

    Parameters
    ----------
    viewer : Viewer
        Gets the layer, which has the place and the size of pixels of the one that is copied.
    """

    looking = Signal(str, object)  # what is done, and its Progress, until ``rested``
    rested = Signal()
    copied = Signal(object)  # the new Labels
    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        self._pixels: Any = None
        self._progress: Progress | None = None  # of the copying under way
        self._button, self._needs = QPushButton("Copy to mend"), QLabel()
        self._button.setToolTip(
            "Add a layer of a copy of these neurons, and hide this one. Its file stays as it is."
        )
        self._button.clicked.connect(self._on_clicked)
        self._copying = LatestWork(self, _copy, self._on_copied, self._on_failed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        layout.addWidget(self._needs)
        self.hide()

    def hold(self, layer: Labels | None) -> None:
        """Offer to copy this layer, where the copy can be mended; ends the copying of another."""
        pixels = None if layer is None else full_resolution(layer)
        if self._progress is not None and pixels is self._pixels:
            self.looking.emit(TITLE, self._progress)
            return
        self._end()
        self._layer, self._pixels = layer, pixels
        self._offer()

    def _offer(self) -> None:
        is_offered = self._layer is not None and is_copy_mendable(self._layer)
        if is_offered:
            self._needs.setText(_needs(size_of(self._pixels.shape, self._pixels.dtype)))
        self.setVisible(is_offered)

    def _end(self) -> None:
        self._copying.drop()
        if self._progress is not None:
            self._progress.stop()  # what is not wanted any more need not go on
            self._progress = None
            self.rested.emit()

    def _on_clicked(self) -> None:
        self.hide()
        self._progress = Progress("Part")
        self.looking.emit(TITLE, self._progress)
        path = Path(self._layer.source.path or self._layer.name)
        self._copying.request((self._layer.name, self._pixels, path, self._progress))

    def _on_copied(self, pixels: NDArray[Any]) -> None:
        layer = self._layer
        self._end()
        image = image_under(self._viewer, layer)
        named = {} if image is None else {IMAGE_KEY: image.name}
        neurons = self._viewer.add_labels(
            pixels,
            name=f"{layer.name} to mend",
            opacity=layer.opacity,
            metadata={ROLE_KEY: NEURONS, **named, **inherited(layer)},
            **placement(layer),
        )
        layer.visible = False
        self.copied.emit(neurons)

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, StoppedError):
            if error.progress is not self._progress:  # of another layer, which is chosen no more
                return
            error = UserError("Stopped: nothing was copied.")
        self._end()
        self._offer()
        self.failed.emit(error)


def _needs(size: int) -> str:
    """Say where a copy of so many bytes would be, and what is free there."""
    if fits_in_memory(size):
        free = format_bytes(free_memory())
        return f"Takes {format_bytes(size)} of memory; {free} are free."
    folder = scratch_folder()
    free = format_bytes(shutil.disk_usage(folder).free)
    return f"Too large for the memory: takes {format_bytes(size)} in {folder}; {free} are free."


def copy_pixels(name: str, pixels: Any, on_part: OnSlice) -> NDArray[Any]:
    """Copy pixels of any kind part by part, each of whole chunks.

    Parameters
    ----------
    name : str
        Of the layer.
    pixels : array (Z, Y, X) or (Y, X)
        Of any integer dtype; NumPy's, dask's or zarr's. Axes of length 1 may be before these.
    on_part : callable
        Called with the number of parts done and of all; what it raises ends the copying.

    Returns
    -------
    array
        Of the same shape, dtype and values, in memory if it fits there.

    Raises
    ------
    UserError
        If there is no room for the copy.
    Exception
        What the pixels are read with may raise any.
    """
    dtype = pixels.dtype.newbyteorder("=")
    found = allocate_to_fill(f"A copy of '{name}'", pixels.shape, dtype, _SMALLER)
    source, target = as_stack(pixels), as_stack(found)
    parts = [*_parts(target.shape, getattr(pixels, "chunks", None))]
    for number, part in enumerate(parts, 1):
        target[part] = np.asarray(source[part])
        on_part(number, len(parts))
    return found


def _copy(request: _Request) -> NDArray[Any]:
    """Copy the pixels of a file; raises a UserError, or StoppedError once it was stopped."""
    name, pixels, path, progress = request
    try:
        return copy_pixels(name, pixels, progress)
    except Exception as error:
        if progress.is_stopped:
            raise StoppedError(progress) from error
        raise error if isinstance(error, UserError) else unreadable(path, error) from error


def _parts(shape: tuple[int, ...], chunks: Any) -> Iterator[tuple[slice, slice]]:
    """Divide a stack (Z, Y, X) into rows of chunks, as dask or zarr name these, or into slices."""
    sides = [1, shape[1]]
    if chunks is not None:
        longest = [max(side) if isinstance(side, tuple) else side for side in chunks]
        sides = [max(1, side) for side in [1, *longest][-3:-1]]
    for z in range(0, shape[0], sides[0]):
        for y in range(0, shape[1], sides[1]):
            yield slice(z, z + sides[0]), slice(y, y + sides[1])
