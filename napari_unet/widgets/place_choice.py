"""Choice of where a training runs: this computer, or a server that the person has added."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from napari_unet.launching import Launcher, LocalLauncher
from napari_unet.servers import RemoteLauncher
from napari_unet.servers.profiles import find_profile, load_profiles
from napari_unet.widgets.messages import report
from training.errors import UserError

HERE = "This computer"


class PlaceChoice(QWidget):
    """A drop-down of places. Servers are added on the command line."""

    upload_progressed = Signal(object)  # Progress of an upload, from whatever thread

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places = QComboBox()
        self._places.setToolTip("Add servers with the command: napari-unet servers add")
        self._places.addItem(HERE)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Train on"))
        layout.addWidget(self._places, 1)

    @property
    def name(self) -> str:
        """The place that is chosen."""
        return str(self._places.currentText())

    def choose(self, name: str) -> None:
        """Choose a place by its name; a name that is not there changes nothing."""
        self._places.setCurrentText(name)

    def launcher(self, runs_folder: Path) -> Launcher:
        """The launcher of the chosen place; a UserError if its profile is gone."""
        if self._places.currentIndex() == 0:
            return LocalLauncher(runs_folder)
        profile = find_profile(self.name)
        return RemoteLauncher(profile, runs_folder, on_progress=self.upload_progressed.emit)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 (Qt's name)
        self._list_servers()
        super().showEvent(event)

    def _list_servers(self) -> None:
        try:
            names = list(load_profiles())
        except UserError as error:
            report(error)
            return
        chosen = self.name
        self._places.clear()
        self._places.addItems([HERE, *names])
        self.choose(chosen)
