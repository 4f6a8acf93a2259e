"""The part of the correct dock that counts and removes specks."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

LARGEST = 10_000
SPIN_WIDTH = 96


class SpecksView(QWidget):
    """A size, how many specks there are under it, and buttons that ask to remove them."""

    size_changed = Signal()
    removal_here_requested = Signal()
    removal_requested = Signal()  # in all slices

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = QSpinBox()
        self._size.setRange(1, LARGEST)
        self._size.setValue(40)
        self._size.setSuffix(" px")
        self._size.setMinimumWidth(SPIN_WIDTH)
        self._size.setToolTip("Islands of membrane with fewer pixels than this are specks.")
        self._count = QLabel()
        self._here, self._all = QPushButton("Remove here"), QPushButton("Remove in all")
        self._here.setToolTip("Remove the specks of this slice; Ctrl-Z undoes it.")
        self._all.setToolTip("Remove the specks of every slice; Ctrl-Z undoes all of it.")
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(QLabel("Specks under"))
        first.addWidget(self._size)
        first.addWidget(self._count, 1)
        second.addWidget(self._here)
        second.addWidget(self._all)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(first)
        layout.addLayout(second)
        self._size.valueChanged.connect(lambda _: self.size_changed.emit())
        self._here.clicked.connect(lambda: self.removal_here_requested.emit())
        self._all.clicked.connect(lambda: self.removal_requested.emit())

    @property
    def size_in_pixels(self) -> int:
        return self._size.value()

    def show_count(self, count: int | None) -> None:
        """Show how many specks the slice has; None while that is not known."""
        self._count.setText("" if count is None else f"{count} here")

    def show_removing(self, is_removing: bool) -> None:
        """Let nothing be asked for while specks are being removed."""
        for button in (self._here, self._all):
            button.setEnabled(not is_removing)
