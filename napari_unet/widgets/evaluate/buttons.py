"""What can be done with a comparison: the buttons of the evaluate dock."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget


class EvaluateButtons(QWidget):
    """Six buttons in two rows."""

    worst_requested = Signal()
    next_worst_requested = Signal()
    errors_toggled = Signal(bool)
    side_by_side_toggled = Signal(bool)
    export_requested = Signal()
    copy_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        worst = QPushButton("Worst")
        worst.setToolTip("Show the slice with the lowest Dice (W on the canvas).")
        worst.clicked.connect(lambda: self.worst_requested.emit())
        next_worst = QPushButton("Next worst")
        next_worst.setToolTip("Show the slice with the next higher Dice (Shift-W).")
        next_worst.clicked.connect(lambda: self.next_worst_requested.emit())
        self._errors = QPushButton("Errors")
        self._errors.setCheckable(True)
        self._errors.setToolTip(
            "A layer of the wrong pixels: orange is too much (false positive), "
            "blue is missing (false negative)."
        )
        self._errors.toggled.connect(self.errors_toggled)
        self._side_by_side = QPushButton("Side by side")
        self._side_by_side.setCheckable(True)
        self._side_by_side.setToolTip("Image, truth and mask in cells that move together.")
        self._side_by_side.toggled.connect(self.side_by_side_toggled)
        export = QPushButton("Export…")
        export.setToolTip(
            "Save mask, probability, the figures of all slices as CSV, and a picture of the worst, "
            "the middle and the best slice."
        )
        export.clicked.connect(lambda: self.export_requested.emit())
        copy = QPushButton("Copy")
        copy.setToolTip("Copy the figures for a spreadsheet.")
        copy.clicked.connect(lambda: self.copy_requested.emit())
        self._all = (worst, next_worst, self._errors, self._side_by_side, export, copy)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for place, button in enumerate(self._all):
            layout.addWidget(button, place // 3, place % 3)

    @property
    def has_errors(self) -> bool:
        """Whether the layer of wrong pixels is wanted."""
        return self._errors.isChecked()

    def enable(self, is_comparing: bool) -> None:
        """Enable the buttons while there is something to compare."""
        for button in self._all:
            button.setEnabled(is_comparing)
