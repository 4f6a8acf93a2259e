"""The part of the correct dock that paints: brushes, snapping, and closing of gaps."""

from __future__ import annotations

from typing import Any

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_unet.layers.colors import PREDICTION_COLOR
from napari_unet.layers.layer_search import unpaintable_labels
from napari_unet.widgets.common.brush_buttons import Brush, BrushButtons
from napari_unet.widgets.common.brush_hand import BrushHand
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.steady_label import SteadyLabel
from napari_unet.widgets.correct.canvas_tools import CanvasTool, GapTool, SnapBrush
from napari_unet.widgets.correct.specks_view import SPIN_WIDTH

BRUSHES = (Brush("Membrane", "A", 1, PREDICTION_COLOR), Brush("Erase", "E", 0, "#808080"))
WIDEST_LINE = 15


class CorrectTools(QWidget):
    """Tools for one mask; none is in hand when it is exchanged.

    Parameters
    ----------
    viewer : Viewer
        Where the mask becomes the active layer, so that the canvas paints on it.
    """

    failed = Signal(Exception)  # the image could not be read

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._mask: Labels | None = None
        self._events = Connections(self)
        self._brushes = BrushButtons(BRUSHES)
        self._gap, self._snap = GapTool(self), SnapBrush(self)
        self._hand = BrushHand(viewer, self._brushes, self._snapped_label)
        self._said = ""  # by the tool that closes gaps
        self._snaps = QCheckBox("Snap to the prediction")
        self._close = QPushButton("Close gap  (G)")
        self._width = QSpinBox()
        self._hint = SteadyLabel(2)
        self._lay_out()
        self._connect()

    def hold(self, mask: Labels | None) -> None:
        """Work on this mask from now on."""
        self._drop()
        self._events.clear()
        self._mask = mask
        self._hand.hold(mask)
        if mask is not None:
            self._events.bind_key(mask, "g", self._on_gap_key)
            for brush in BRUSHES:
                self._events.bind_key(mask, brush.key, self._brush_key(brush))

    def follow(self, image: Image | None, probability: Image | None) -> None:
        """Follow the darkness of this image, and agree with this probability."""
        self._gap.image, self._snap.probability = image, probability
        for tool, needed in ((self._gap, image), (self._snap, probability)):
            if needed is None:  # strokes of a tool in hand would do nothing
                tool.drop()
        self._snaps.setEnabled(probability is not None)
        for widget in (self._close, self._width):
            widget.setEnabled(image is not None)
        self._show_gap()

    def _lay_out(self) -> None:
        self._snaps.setToolTip(
            "The brush paints only where the probability agrees: membrane where it is over a "
            "half, or the ridge under the brush where nothing is."
        )
        self._close.setCheckable(True)
        self._close.setToolTip(
            "Click both ends of a gap: a line is drawn along the darkest path between them."
        )
        self._width.setRange(1, WIDEST_LINE)
        self._width.setValue(self._gap.width)
        self._width.setSuffix(" px")
        self._width.setMinimumWidth(SPIN_WIDTH)
        self._width.setToolTip("Width of the line.")
        gap = QHBoxLayout()
        gap.addWidget(self._close, 1)
        gap.addWidget(self._width)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._brushes)
        layout.addWidget(self._snaps)
        layout.addLayout(gap)
        layout.addWidget(self._hint)

    def _connect(self) -> None:
        self._brushes.brush_requested.connect(self._on_brush_requested)
        self._brushes.size_changed.connect(self._on_size_changed)
        self._snaps.toggled.connect(self._on_snap_toggled)
        self._close.clicked.connect(self._on_gap_requested)
        self._width.valueChanged.connect(self._on_width_changed)
        self._gap.said.connect(self._on_gap_said)
        for tool in (self._gap, self._snap):
            tool.failed.connect(self.failed)
        self._gap.dropped.connect(self._show_gap)
        self._snap.dropped.connect(self._hand.show)
        Connections(self).add(self._viewer.layers.selection.events.active, self._show_gap)

    def _brush_key(self, brush: Brush) -> Any:
        def take_brush(_: object) -> None:
            self._on_brush_requested(brush)

        return take_brush

    def _on_brush_requested(self, brush: Brush) -> None:
        mask: Any = self._mask
        self._drop()
        self._hand.take(brush)
        if self._snaps.isChecked() and self._snap.probability is not None:
            self._snap.label = brush.label
            self._snap.take(mask, "circle", int(mask.brush_size))
            self._hand.show()

    def _snapped_label(self) -> int | None:
        return self._snap.label if self._snap.is_in_hand else None

    def _on_size_changed(self, size: int) -> None:
        if self._snap.is_in_hand and self._mask is not None:
            self._mask.cursor_size = size

    def _on_snap_toggled(self, is_on: bool) -> None:
        labels = {"paint": 1, "erase": 0}
        mode = "" if self._mask is None else str(self._mask.mode)
        label = self._snap.label if self._snap.is_in_hand else labels.get(mode)
        if label is not None:
            self._on_brush_requested(BRUSHES[0] if label else BRUSHES[1])

    def _on_gap_key(self, _: object) -> None:
        self._on_gap_requested(not self._gap.is_in_hand)

    def _on_gap_requested(self, is_wanted: bool) -> None:
        self._drop()
        if is_wanted and self._gap.image is not None and self._mask is not None:
            self._viewer.layers.selection.active = self._mask
            self._gap.take(self._mask)
        self._show_gap()

    def _on_gap_said(self, text: str) -> None:
        self._said = text
        self._show_gap()

    def _show_gap(self, event: Any = None) -> None:
        """Show whether clicks close gaps, or why none can be closed."""
        is_active = self._viewer.layers.selection.active == self._mask
        is_in_use = self._gap.is_in_hand and is_active
        self._close.setChecked(is_in_use)
        self._hint.setText(self._said if is_in_use else self._missing())

    def _missing(self) -> str:
        if self._mask is None:
            return unpaintable_labels(self._viewer) or "Predict a mask first, or open one."
        return "" if self._gap.image is not None else "Open the mask's image to close gaps."

    def _on_width_changed(self, width: int) -> None:
        self._gap.width = width

    def _drop(self) -> None:
        tools: tuple[CanvasTool, ...] = (self._gap, self._snap)
        for tool in tools:
            tool.drop()
