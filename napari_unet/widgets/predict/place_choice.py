"""Choice of the computer that predicts."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from napari_unet.runs.training_places import THIS_COMPUTER


class PlaceChoice(QWidget):
    """A drop-down of this computer and the servers; not seen where there are none."""

    server_changed = Signal(str)  # its name; empty for this computer

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places = QComboBox()
        self._places.setToolTip(
            "Where all slices are predicted. Single slices are predicted on this computer."
        )
        self._places.addItem(THIS_COMPUTER, "")
        self._places.currentIndexChanged.connect(lambda _: self.server_changed.emit(self.server))
        label = QLabel("Predict on")
        label.setBuddy(self._places)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label)
        layout.addWidget(self._places, 1)
        self.hide()

    @property
    def server(self) -> str:
        """The chosen server; empty for this computer."""
        return str(self._places.currentData() or "")

    def show_servers(self, names: Sequence[str]) -> None:
        """Offer these; this computer is chosen where the former choice is not among them."""
        former = self.server
        while self._places.count() > 1:
            self._places.removeItem(1)
        for name in names:
            self._places.addItem(name, name)
        self._places.setCurrentIndex(max(0, self._places.findData(former)))
        self.setVisible(bool(names))
