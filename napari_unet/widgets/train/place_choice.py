"""Choice of the place where a training runs, and the way to the servers' profiles."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget
from superqt.utils import signals_blocked


class PlaceChoice(QWidget):
    """A drop-down of places, and a button that opens the servers' profiles."""

    place_changed = Signal(str)  # name of the place
    servers_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places = QComboBox()
        self._places.setToolTip("Where the training runs.")
        self._places.currentTextChanged.connect(self.place_changed)
        servers = QPushButton("Servers…")
        servers.setToolTip("Add, change and test servers to train on.")
        servers.clicked.connect(lambda: self.servers_requested.emit())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Train on"))
        layout.addWidget(self._places, 1)
        layout.addWidget(servers)

    @property
    def name(self) -> str:
        """The chosen place."""
        return str(self._places.currentText())

    def choose(self, name: str) -> None:
        """Choose a place by its name; a name that is not there changes nothing."""
        self._places.setCurrentText(name)

    def show_places(self, names: Sequence[str]) -> None:
        """Offer these places; if the chosen one is not among them, the first is chosen."""
        former = self.name
        with signals_blocked(self._places):
            self._places.clear()
            self._places.addItems(list(names))
            self.choose(former)
        if self.name != former:
            self.place_changed.emit(self.name)
