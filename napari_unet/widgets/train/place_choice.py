"""Choice of where a training runs: this computer, or a server; and the way to the servers."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.launchers.servers.profiles import find_profile, load_profiles
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.settings import load_settings
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.servers.dialog import ServerDialog
from training.errors import UserError

HERE = "This computer"


class PlaceChoice(QWidget):
    """A drop-down of places, and a button that opens the servers' profiles."""

    upload_progressed = Signal(object)  # Progress of an upload, from whatever thread
    devices_listed = Signal(object)  # list of str: what a training in the place can run on

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places = QComboBox()
        self._places.setToolTip("Where the training runs.")
        self._places.addItem(HERE)
        self._places.currentTextChanged.connect(self._on_place_changed)
        servers = QPushButton("Servers…")
        servers.setToolTip("Add, change and test servers to train on.")
        servers.clicked.connect(self._on_servers_requested)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Train on"))
        layout.addWidget(self._places, 1)
        layout.addWidget(servers)

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

    def _list_servers(self, chosen: str = "") -> None:
        try:
            names = list(load_profiles())
        except UserError as error:
            report(error)
            return
        former = self.name
        self._places.blockSignals(True)
        self._places.clear()
        self._places.addItems([HERE, *names])
        self.choose(chosen or former)
        self._places.blockSignals(False)
        if chosen or self.name != former:
            self._on_place_changed()

    def _on_servers_requested(self) -> None:
        dialog = ServerDialog(self.name, self)
        dialog.saved.connect(self._list_servers)
        dialog.open()

    def _on_place_changed(self) -> None:
        """List the devices of the place; the name tells whether it's still the chosen one."""
        name = self.name
        try:
            launcher = self.launcher(Path(load_settings().runs_folder))
        except UserError as error:
            report(error)
            return
        run_in_thread(lambda: (name, launcher.list_devices()), self._on_devices_listed)

    def _on_devices_listed(self, result: tuple[str, list[str]]) -> None:
        name, devices = result
        if name == self.name:
            self.devices_listed.emit(devices)
