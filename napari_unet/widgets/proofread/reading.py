"""Neurons that lie in a file, such as a large zarr, read into memory, where they are mended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from dask.utils import format_bytes
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet.layers.plugin_layers import (
    IMAGE_KEY,
    NEURONS,
    ROLE_KEY,
    image_under,
    placement,
)
from napari_unet.layers.slices import full_resolution
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.proofread.looking import Progress, StoppedError
from napari_unet.widgets.proofread.mendable import is_mendable_once_read
from training.errors import UserError
from training.formats.chunked_stack import check_memory, unreadable
from training.stacks.stack_axes import as_stack

TITLE = "Reading into memory"
_SMALLER = "Find the neurons of a part with 'napari-unet segment --region', and mend these"
_Request = tuple[str, Any, Progress]


class ReadButton(QWidget):
    """Offers to read a layer into memory, and puts a layer of its pixels in its place.

    Parameters
    ----------
    viewer : Viewer
        Gets the layer, which has the place and the size of pixels of the one that it is read from.
    """

    looking = Signal(str, object)  # what is done, and its Progress, until ``rested``
    rested = Signal()
    read = Signal(object)  # the new Labels
    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        self._pixels: Any = None
        self._progress: Progress | None = None  # of the reading under way
        self._button, self._needs = QPushButton("Read into memory"), QLabel()
        self._button.setToolTip(
            "Add a layer of these neurons in memory, and hide this one. Its file stays as it is."
        )
        self._button.clicked.connect(self._on_clicked)
        self._reading = LatestWork(self, _read, self._on_read, self._on_failed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        layout.addWidget(self._needs)
        self.hide()

    def hold(self, layer: Labels | None) -> None:
        """Offer to read this layer, where it can be mended then; ends the reading of another."""
        pixels = None if layer is None else full_resolution(layer)
        if self._progress is not None and pixels is self._pixels:
            self.looking.emit(TITLE, self._progress)
            return
        self._end()
        self._layer, self._pixels = layer, pixels
        self._offer()

    def _offer(self) -> None:
        is_offered = self._layer is not None and is_mendable_once_read(self._layer)
        if is_offered:
            free = psutil.virtual_memory().available
            size = format_bytes(_bytes_of(self._pixels))
            self._needs.setText(f"Takes {size} of memory; {format_bytes(free)} are free.")
        self.setVisible(is_offered)

    def _end(self) -> None:
        self._reading.drop()
        if self._progress is not None:
            self._progress.is_stopped = True  # what is not wanted any more need not go on
            self._progress = None
            self.rested.emit()

    def _on_clicked(self) -> None:
        name = self._layer.name
        try:
            check_memory(f"'{name}'", _bytes_of(self._pixels), _SMALLER)
        except UserError as error:
            self._on_failed(error)
            return
        self.hide()
        self._progress = Progress("Part")
        self.looking.emit(TITLE, self._progress)
        self._reading.request((self._layer.source.path or name, self._pixels, self._progress))

    def _on_read(self, pixels: NDArray[Any]) -> None:
        layer = self._layer
        self._end()
        image = image_under(self._viewer, layer)
        neurons = self._viewer.add_labels(
            pixels,
            name=f"{layer.name} in memory",
            opacity=layer.opacity,
            metadata={ROLE_KEY: NEURONS} | ({} if image is None else {IMAGE_KEY: image.name}),
            **placement(layer),
        )
        layer.visible = False
        self.read.emit(neurons)

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, StoppedError):
            if error.progress is not self._progress:  # of another layer, which is chosen no more
                return
            error = UserError("Stopped: nothing was read.")
        self._end()
        self._offer()
        self.failed.emit(error)


def _bytes_of(pixels: Any) -> int:
    return int(math.prod(pixels.shape) * pixels.dtype.itemsize)


def _read(request: _Request) -> NDArray[Any]:
    """Read pixels of any kind part by part, each of whole chunks.

    Raises
    ------
    StoppedError
        If a person has stopped it, or chosen another layer.
    UserError
        If they can't be read.
    """
    name, pixels, on_part = request
    try:
        found = np.empty(pixels.shape, pixels.dtype.newbyteorder("="))
        source, target = as_stack(pixels), as_stack(found)
        parts = [*_parts(target.shape, getattr(pixels, "chunks", None))]
        for number, part in enumerate(parts, 1):
            target[part] = np.asarray(source[part])
            on_part(number, len(parts))
    except StoppedError:
        raise
    except Exception as error:  # zarr, dask, and what others read with raise any
        if on_part.is_stopped:
            raise StoppedError(on_part) from error
        raise error if isinstance(error, UserError) else unreadable(Path(name), error) from error
    return found


def _parts(shape: tuple[int, ...], chunks: Any) -> Iterator[tuple[slice, slice]]:
    """Divide a stack (Z, Y, X) into rows of chunks, as dask or zarr name these, or into slices."""
    sides = [1, shape[1]]
    if chunks is not None:
        longest = [max(side) if isinstance(side, tuple) else side for side in chunks]
        sides = [max(1, side) for side in [1, *longest][-3:-1]]
    for z in range(0, shape[0], sides[0]):
        for y in range(0, shape[1], sides[1]):
            yield slice(z, z + sides[0]), slice(y, y + sides[1])
