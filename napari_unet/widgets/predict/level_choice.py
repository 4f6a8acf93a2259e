"""Which size of a multiscale image is predicted: the one that the model was trained for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari import Viewer
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.layers.levels import add_level, level_scale, whole_of
from napari_unet.layers.physical_place import pixel_size_of
from napari_unet.prediction.model_source import find_model
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import plain_label, report
from training.errors import UserError
from training.formats.pixel_size import PixelSize


class LevelChoice(QWidget):
    """Says which level of an image is predicted; it is there while the image has several.

    Parameters
    ----------
    viewer : Viewer
        Gets a layer of that level.
    """

    found = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._of: tuple[Image | None, Path | None] = (None, None)
        self._index = 0
        self._is_reading = False
        self._reading = LatestWork(self, _read, self._on_read, self._on_unread)
        self._text = plain_label()
        self._text.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._text)
        self.hide()

    @property
    def is_reading(self) -> bool:
        """Whether the level is not known yet; ``found`` follows."""
        return self._is_reading

    def look_at(self, image: Image | None, model: Path | None) -> None:
        """Find the level of an image that fits a model."""
        whole = None if image is None else self._whole(image)
        if (whole, model) == self._of:
            return
        self._of, self._index = (whole, model), 0
        self._reading.drop()
        self.hide()
        self._is_reading = False
        if whole is not None and whole.multiscale and model is not None:
            self._is_reading = True
            self._reading.request((model, _pixel_sizes(whole)))

    def choose(self, image: Image) -> Image:
        """Give the layer to predict: that of the level that fits, or the image as it is."""
        whole = self._whole(image)
        if whole != self._of[0] or not whole.multiscale:
            return image
        return add_level(self._viewer, whole, self._index)

    def _whole(self, image: Image) -> Image:
        """A level that was predicted gives way to another one with another model."""
        whole = whole_of(image)
        return whole if whole in self._viewer.layers else image

    def _on_read(self, found: _Found) -> None:
        self._index, self._is_reading = found.index, False
        self._text.setText(found.text)
        self.show()
        self.found.emit()

    def _on_unread(self, error: Exception) -> None:
        self._is_reading = False
        self.found.emit()
        report(error)


@dataclass(frozen=True)
class _Found:
    """The level to predict, and why it is this one."""

    index: int
    text: str


def _pixel_sizes(image: Image) -> list[PixelSize | None]:
    return [
        pixel_size_of({"scale": level_scale(image, index), "units": image.units})
        for index in range(len(image.data))
    ]


def _read(request: tuple[Path, Sequence[PixelSize | None]]) -> _Found:
    model, sizes = request
    try:
        trained = find_model(model).read_card().pixel_size
    except UserError:  # which the prediction tells
        trained = None
    return choose_level(sizes, trained)


def choose_level(sizes: Sequence[PixelSize | None], trained: PixelSize | None) -> _Found:
    """Choose the level whose pixels are most like those of a model's training.

    Parameters
    ----------
    sizes : sequence of PixelSize or None
        Of the levels, the full resolution first; None: it is not known.
    trained : PixelSize or None
        Of the model's training.
    """
    full = sizes[0]
    if trained is None or full is None:
        of = "the model's training" if trained is None else "this image"
        return _Found(0, f"Level 0, the full resolution, is predicted: {of} has no pixel size.")
    fitting = {
        index: abs(math.log(size.y / trained.y)) + abs(math.log(size.x / trained.x))
        for index, size in enumerate(sizes)
        if size is not None and size.is_alike(trained)
    }
    wanted = f"the model was trained on pixels of {trained.plane}"
    if not fitting:
        text = f"Level 0, the full resolution of {full.plane}, is predicted: {wanted}, as no level."
        return _Found(0, text)
    index = min(fitting, key=fitting.__getitem__)
    size = sizes[index]
    plane = "" if size is None else size.plane
    return _Found(index, f"Level {index}, with pixels of {plane}, is predicted: {wanted}.")
