"""Choice of the place where a training runs, and the way to the servers' profiles."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_unet.widgets.common.messages import plain_label


class PlaceChoice(QWidget):
    """A drop-down of places, a button for the servers' profiles, and how long it takes there."""

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
        self._estimate = plain_label()
        self._estimate.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(QLabel("Train on"))
        row.addWidget(self._places, 1)
        row.addWidget(servers)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._estimate)
        self.show_estimate("")

    @property
    def name(self) -> str:
        """The chosen place."""
        return str(self._places.currentText())

    @property
    def names(self) -> list[str]:
        """All places that are offered."""
        return [str(self._places.itemText(index)) for index in range(self._places.count())]

    def show_estimate(self, text: str) -> None:
        """Say how long the training takes there; nothing where that is not known."""
        self._estimate.setText(text)
        self._estimate.setVisible(bool(text))

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
