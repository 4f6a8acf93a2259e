"""Tools that a person uses on the canvas of a mask, beside napari's brush.

Each is one step of napari's own undo history, for all pixels are set by ``Labels.data_setitem``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_unet.labelling.correction import Pixels, Point, darkest_path, snap, widen
from napari_unet.layers.slices import full_resolution
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.painting.pixel_setting import set_labels
from training.errors import UserError
from training.stacks.stack_axes import as_stack

Drag = Generator[None, None, None]


class CanvasTool(QObject):
    """Takes the mouse of a layer while it is in hand, until napari's own mode is changed."""

    said = Signal(str)  # what the person can do next
    failed = Signal(Exception)
    dropped = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None

    @property
    def is_in_hand(self) -> bool:
        return self._layer is not None

    def take(self, layer: Labels, cursor: str, size: int = 1) -> None:
        """Use it on this layer from now on."""
        self.drop()
        layer.mode = "pan_zoom"
        self._layer = layer
        layer.mouse_pan = False
        layer.cursor_size, layer.cursor = size, cursor
        layer.mouse_drag_callbacks.append(self._on_press)
        layer.events.mode.connect(self._on_mode_changed)

    def drop(self) -> None:
        """Give the mouse back."""
        layer, self._layer = self._layer, None
        if layer is None:
            return
        layer.mouse_drag_callbacks.remove(self._on_press)
        layer.events.mode.disconnect(self._on_mode_changed)
        if str(layer.mode) == "pan_zoom":
            layer.mouse_pan, layer.cursor = True, "standard"
        self.dropped.emit()

    def _on_mode_changed(self, event: Any) -> None:
        self.drop()

    def _on_press(self, layer: Labels, event: Any) -> Drag | None:
        """Use the tool where the canvas shows a slice along Z: elsewhere it would hit another."""
        if event.button != 1:
            return None
        axes = len(event.position)
        if tuple(event.dims_displayed) != (axes - 2, axes - 1):
            problem = "The canvas does not show a slice along Z."
            self.failed.emit(UserError(problem, "Change the view."))
            return None
        return self._on_drag(layer, event)

    def _on_drag(self, layer: Labels, event: Any) -> Drag | None:
        """Begin where the left button was pressed."""
        raise NotImplementedError


class GapTool(CanvasTool):
    """Closes a gap: two clicks, and a line along the darkest path between them.

    Attributes
    ----------
    image : Image or None
        Whose darkness is followed.
    width : int
        Width of the line, in pixels.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.image: Image | None = None
        self.width = 3
        self._tracing = LatestWork(
            self, _trace, self._on_traced, self.failed.emit, merge=operator.add, shows_outdated=True
        )
        self._start: tuple[int, Point] | None = None

    def take(self, layer: Labels, cursor: str = "cross", size: int = 1) -> None:
        super().take(layer, cursor, size)
        self._start = None
        self.said.emit("Click one end of the gap.")

    def _on_drag(self, layer: Labels, event: Any) -> Drag | None:
        place = _pixel(layer, event.position)
        if place is None or self.image is None:
            return None
        index, point = place
        if self._start is None or self._start[0] != index:
            self._start = place
            self.said.emit("Click the other end.")
            return None
        ends, self._start = (self._start[1], point), None
        gap = _Gap(layer, full_resolution(self.image), index, ends, self.width)
        self._tracing.request([gap])
        return None

    def _on_traced(self, found: list[tuple[_Gap, Pixels]]) -> None:
        try:
            for gap, pixels in found:
                set_pixels(gap.layer, gap.index, pixels, 1)
        except UserError as error:
            self.failed.emit(error)
            return
        if self._start is None:
            self.said.emit("Closed. Ctrl-Z undoes it; click one end of the next gap.")


@dataclass(frozen=True)
class _Gap:
    """A gap of a mask, on a slice of an image (Z, Y, X) or (Y, X), and the line to close it."""

    layer: Labels
    image: Any
    index: int
    ends: tuple[Point, Point]
    width: int


def _trace(gaps: list[_Gap]) -> list[tuple[_Gap, Pixels]]:
    """Find the pixels of the lines; the slices may lie in a file."""
    return [(gap, _line(gap)) for gap in gaps]


def _line(gap: _Gap) -> Pixels:
    page = np.asarray(as_stack(gap.image)[gap.index])
    return widen(darkest_path(page, *gap.ends), gap.width, (page.shape[0], page.shape[1]))


class SnapBrush(CanvasTool):
    """A brush that paints only what the predicted probability agrees with.

    Attributes
    ----------
    probability : Image or None
        Probability of membrane.
    label : int
        1 paints membrane, 0 erases.
    level : float
        Probability that separates the two.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.probability: Image | None = None
        self.label = 1
        self.level = 0.5

    def _on_drag(self, layer: Labels, event: Any) -> Drag:
        try:
            with layer.block_history():  # the whole stroke is one step
                last = self._dab(layer, event.position, None)
                yield
                while event.type == "mouse_move":
                    last = self._dab(layer, event.position, last)
                    yield
        except UserError as error:
            self.failed.emit(error)

    def _dab(self, layer: Labels, position: Any, last: Point | None) -> Point | None:
        from skimage.draw import line

        place = _pixel(layer, position)
        if place is None or self.probability is None:
            return None
        index, point = place
        page = np.asarray(as_stack(self.probability.data)[index])
        draw_line: Callable[..., Pixels] = line
        stroke = widen(
            draw_line(*(last or point), *point), layer.brush_size, (page.shape[0], page.shape[1])
        )
        set_pixels(layer, index, snap(stroke, page, self.label, self.level), self.label)
        return point


def set_pixels(layer: Labels, index: int, pixels: Pixels, label: int) -> None:
    """Set pixels of a slice, 0 of a single image, through napari's history."""
    rows, columns = pixels
    places = (*(np.zeros_like(rows),) * (layer.ndim - 3), np.full(len(rows), index), rows, columns)
    set_labels(layer, places[-layer.ndim :], label)


def _pixel(layer: Labels, position: Any) -> tuple[int, Point] | None:
    """Slice and pixel at a place in the world; None outside of the layer."""
    place = [round(float(value)) for value in layer.world_to_data(position)[-layer.ndim :]]
    if any(not 0 <= index < length for index, length in zip(place, layer.data.shape, strict=True)):
        return None
    return (place[-3] if layer.ndim > 2 else 0), (place[-2], place[-1])
