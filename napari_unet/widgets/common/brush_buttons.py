"""Big buttons that choose a brush of napari, and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QLabeledSlider
from superqt.utils import signals_blocked

LARGEST_BRUSH = 60


@dataclass(frozen=True)
class Brush:
    """A way to paint: name, key if it has one, label that it paints (0 erases) and its colour."""

    name: str
    key: str
    label: int
    color: str


class BrushButtons(QWidget):
    """One button a brush, and a slider of its size.

    Parameters
    ----------
    brushes : sequence of Brush
        The buttons, from left to right.
    """

    brush_requested = Signal(object)  # Brush
    size_changed = Signal(int)

    def __init__(self, brushes: Sequence[Brush], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.brushes: Sequence[Brush] = ()
        self._buttons: dict[Brush, QPushButton] = {}
        self._size = QLabeledSlider(Qt.Orientation.Horizontal)
        self._size.setRange(1, LARGEST_BRUSH)
        self._size.setToolTip("Diameter of the brush in pixels ([ and ] on the canvas).")
        self._size.valueChanged.connect(self.size_changed)
        self._row = QHBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._row)
        layout.addWidget(self._size)
        self.set_brushes(brushes)

    def set_brushes(self, brushes: Sequence[Brush]) -> None:
        """Have these buttons, from left to right."""
        if brushes == self.brushes:
            return
        for button in self._buttons.values():
            self._row.removeWidget(button)
            button.deleteLater()
        self.brushes = brushes
        self._buttons = {brush: self._button(brush) for brush in brushes}
        for button in self._buttons.values():
            self._row.addWidget(button, 1)

    def show_brush(self, label: int | None, size: int) -> None:
        """Show which brush is in hand, None for none, and how large it is."""
        for brush, button in self._buttons.items():
            button.setChecked(brush.label == label)
        with signals_blocked(self._size):
            self._size.setValue(min(size, LARGEST_BRUSH))

    def _button(self, brush: Brush) -> QPushButton:
        button = QPushButton(f"{brush.name}  ({brush.key})" if brush.key else brush.name)
        button.setCheckable(True)
        button.setIconSize(QSize(14, 14))
        swatch = QPixmap(14, 14)
        swatch.fill(QColor(brush.color))
        button.setIcon(QIcon(swatch))
        on_canvas = f"; {brush.key} on the canvas" if brush.key else ""
        button.setToolTip(f"Paint with this brush{on_canvas}.")
        button.clicked.connect(lambda _: self.brush_requested.emit(brush))
        return button
