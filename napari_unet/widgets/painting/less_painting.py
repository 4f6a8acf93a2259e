"""Buttons that save strokes: polygon, interpolation between slices, copy from the slice before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.labelling.interpolation import Filling, copy_from_before, interpolate
from napari_unet.layers.slices import displayed_slice
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.painting.lasso import DragCallback, bring_outline, drag_outline
from napari_unet.widgets.painting.pixel_setting import PixelSetting
from training.errors import UserError

Fill = Callable[[Any, int, int, str], Filling]
POLYGON_KEY, INTERPOLATE_KEY, COPY_KEY = "W", "I", "C"


@dataclass(frozen=True)
class _Request:
    """What to fill: the pixels of a layer as they were, a label and its name, and a slice."""

    fill: Fill
    layer: Labels
    data: Any
    label: int
    index: int
    name: str


class LessPainting(QWidget):
    """Paints the selected label of a layer with fewer strokes; what others painted stays.

    Each is one step of napari's own undo. Slices are those along Z.

    Parameters
    ----------
    viewer : Viewer
        Its sliders say which slice is meant.
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Labels | None = None
        self._names: Mapping[int, str] = {}
        self._said = ""  # once the pixels are set
        self._filled: tuple[tuple[int, ...], int] | None = None  # a pixel, and its label
        self._events = Connections(self)
        self._filling = LatestWork(self, _find, self._on_found, self._on_failed)
        self._setting = PixelSetting(self)
        self._setting.done.connect(self._on_set)
        self._setting.failed.connect(self._on_failed)
        connections = Connections(self)
        connections.add(viewer.layers.selection.events.active, self._show_mode)
        connections.add(viewer.dims.events.current_step, self._on_slider_moved)
        self._polygon = QPushButton(f"Polygon  ({POLYGON_KEY})")
        self._interpolate = QPushButton(f"Interpolate  ({INTERPOLATE_KEY})")
        self._copy = QPushButton(f"Copy slice  ({COPY_KEY})")
        self._message = MessageLine()
        self._lay_out()

    def hold(self, layer: Labels | None, names: Mapping[int, str] | None = None) -> None:
        """Paint on this layer from now on.

        Parameters
        ----------
        layer : Labels or None
        names : mapping of int to str, optional
            What labels are called; others go by their number.
        """
        self._events.clear()
        self._filling.drop()
        self._filled = None
        self._layer, self._names = layer, names or {}
        self._message.tell("")
        self.setEnabled(layer is not None)
        if layer is not None:
            self._events.add(layer.events.mode, self._show_mode)
            self._events.add(layer.events.paint, self._on_painted)
            self._events.add(layer.events.set_data, self._on_drawn)
            self._events.add(DragCallback(layer), drag_outline)
            for key, take in (
                (POLYGON_KEY, self._polygon),
                (INTERPOLATE_KEY, self._interpolate),
                (COPY_KEY, self._copy),
            ):
                self._bind(layer, key, take)
        self._show_mode()

    def _lay_out(self) -> None:
        self._polygon.setCheckable(True)
        self._polygon.setToolTip(
            "Draw around an area on the canvas, or click its corners and press Enter or double "
            f"click: it is filled with the chosen label. Esc drops it. {POLYGON_KEY} on the canvas."
        )
        self._interpolate.setToolTip(
            "Fill the slices between the two nearest that have the chosen label. Only what is "
            f"unpainted there is filled. {INTERPOLATE_KEY} on the canvas."
        )
        self._copy.setToolTip(
            "Put the chosen label where it is on the slice before. Only what is unpainted here is "
            f"filled. {COPY_KEY} on the canvas."
        )
        self._polygon.clicked.connect(self._on_polygon_clicked)
        self._interpolate.clicked.connect(lambda: self._request(interpolate))
        self._copy.clicked.connect(lambda: self._request(copy_from_before))
        row = QHBoxLayout()
        for button in (self._polygon, self._interpolate, self._copy):
            row.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._message)

    def _bind(self, layer: Labels, key: str, button: QPushButton) -> None:
        self._events.bind_key(layer, key, lambda _: button.click())

    def _on_polygon_clicked(self, is_wanted: bool) -> None:
        layer = self._layer
        if layer is None:
            return
        try:
            if is_wanted:
                self._take_polygon(layer)
            else:
                layer.mode = "paint"
        except UserError as error:
            self._on_failed(error)
        self._show_mode()

    def _take_polygon(self, layer: Labels) -> None:
        name = self._name(layer.selected_label)
        if self._viewer.dims.ndisplay != 2:
            raise UserError("Polygons are drawn in 2-D.", "Leave the 3-D view.")
        if layer.n_edit_dimensions != 2:
            problem = f"'{layer.name}' is painted in {layer.n_edit_dimensions} dimensions."
            raise UserError(problem, "Set 'n edit dim' of the layer to 2.")
        self._viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = "polygon"
        self._message.tell(
            f"Draw around the area, or click its corners; Enter fills the area with {name}."
        )

    def _show_mode(self, event: Any = None) -> None:
        active: Any = self._viewer.layers.selection.active
        is_ours = active is not None and active == self._layer
        is_polygon = is_ours and str(active.mode) == "polygon"
        if event is not None and self._polygon.isChecked() and not is_polygon:
            self._message.tell("")
        self._polygon.setChecked(is_polygon)

    def _on_slider_moved(self, _: object) -> None:
        if self._layer is not None and str(self._layer.mode) == "polygon":
            bring_outline(self._viewer, self._layer)

    def _request(self, fill: Fill) -> None:
        layer = self._layer
        if layer is None or self._filling.is_busy or self._setting.is_busy:
            return
        try:
            label = int(layer.selected_label)
            request = _Request(
                fill, layer, layer.data, label, self._slice(layer), self._name(label)
            )
        except UserError as error:
            self._on_failed(error)
            return
        self._message.tell("Reading the slices…")
        self._filling.request(request)

    def _slice(self, layer: Labels) -> int:
        """Find the slice that is shown.

        Raises
        ------
        UserError
            None is, or the layer has but one.
        """
        dims = self._viewer.dims
        if layer.ndim < 3 or layer.data.shape[-3] == 1:
            raise UserError(f"'{layer.name}' is a single slice.", "Open a stack.")
        if dims.ndim - 3 in dims.displayed:
            raise UserError("The canvas does not show a slice along Z.", "Change the view.")
        index = displayed_slice(self._viewer, layer)
        if index is None:
            problem = f"The slider is outside of '{layer.name}'."
            raise UserError(problem, "Move it to one of its slices.")
        return index

    def _name(self, label: int) -> str:
        """What a label is called.

        Raises
        ------
        UserError
            It is 0.
        """
        if label == 0:
            raise UserError("The chosen label is 0, unpainted.", "Choose another one.")
        return self._names.get(label, f"label {label}")

    def _on_found(self, found: tuple[_Request, Filling]) -> None:
        request, filling = found
        layer = request.layer
        if layer not in self._viewer.layers or layer.data is not request.data:
            problem = f"'{layer.name}' was removed or got other pixels meanwhile."
            self._on_failed(UserError(problem, "Try again."))
            return
        self._said = _sentence(request, filling)
        self._filled = tuple(int(axis[0]) for axis in filling.indices), request.label
        values = np.full(len(filling.indices[0]), request.label, layer.data.dtype)
        self._setting.start(layer, filling.indices, values, only_free=True)

    def _on_set(self) -> None:
        self._message.tell(self._said)

    def _on_painted(self, _: object) -> None:
        """Clear the message about a filling that Ctrl-Z does not undo any more."""
        if not self._setting.is_busy and self._message.text() == self._said:
            self._message.tell("")

    def _on_drawn(self, _: object) -> None:
        """Clear the message about a filling that was undone; napari has no event for that."""
        layer, filled = self._layer, self._filled
        if layer is not None and filled is not None and layer.data[filled[0]] != filled[1]:
            self._on_painted(None)

    def _on_failed(self, error: Exception) -> None:
        self._message.tell_error(error)


def _find(request: _Request) -> tuple[_Request, Filling]:
    return request, request.fill(request.data, request.label, request.index, request.name)


def _sentence(request: _Request, filling: Filling) -> str:
    """Say what was filled, and what was not."""
    said = f"{request.name}: {_slices(filling.painted)} filled. Ctrl-Z undoes it."
    if filling.empty:
        said += f" {_slices(filling.empty)} got nothing: the shapes don't overlap there."
    return said[0].upper() + said[1:]


def _slices(indices: list[int]) -> str:
    """Name slices, of which there may be many."""
    first, last = min(indices), max(indices)
    if first == last:
        return f"slice {first}"
    are_all = len(indices) == last - first + 1
    return f"slices {first} to {last}" if are_all else f"slices {', '.join(map(str, indices))}"
