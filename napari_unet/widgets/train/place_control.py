"""Control of the place where the next training runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Signal

from napari_unet.launchers.launcher import Launcher
from napari_unet.runs.training_places import THIS_COMPUTER, launcher_in, list_places
from napari_unet.settings import load_settings
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.servers.dialog import ServerDialog
from napari_unet.widgets.train.place_choice import PlaceChoice
from training.errors import UserError


class PlaceControl(QObject):
    """Offers the places in a view, and lists the devices of the chosen one.

    Parameters
    ----------
    view : PlaceChoice
        The drop-down of places.
    """

    upload_progressed = Signal(object)  # Progress of an upload, from another thread
    failed = Signal(object)  # UserError: the places or a profile can't be read
    devices_changed = Signal(object)  # list of str: what a training in the place can run on

    def __init__(self, view: PlaceChoice) -> None:
        super().__init__(view)
        self._view = view
        self._devices: list[str] = []
        view.place_changed.connect(self._list_devices)
        view.servers_requested.connect(self._on_servers_requested)

    def is_cpu(self, device: str) -> bool:
        """Whether this device, or the one that "auto" takes, is this computer's CPU."""
        has_cpu_alone = self._devices == ["cpu"]
        is_here = self._view.name == THIS_COMPUTER
        return is_here and (device == "cpu" or (device == "auto" and has_cpu_alone))

    def refresh(self) -> None:
        """Offer the places that there are now; this computer alone if servers can't be read."""
        try:
            places = list_places()
        except UserError as error:
            self.failed.emit(error)
            places = [THIS_COMPUTER]
        self._view.show_places(places)

    def launcher(self) -> Launcher:
        """Make a launcher of the chosen place; a UserError if its profile is gone."""
        runs_folder = Path(load_settings().runs_folder)
        return launcher_in(self._view.name, runs_folder, on_progress=self.upload_progressed.emit)

    def _list_devices(self) -> None:
        name = self._view.name
        try:
            launcher = self.launcher()
        except UserError as error:
            self.failed.emit(error)
            return
        work = partial(_list_devices, name, launcher)
        run_in_thread(work, self._on_devices_listed, self.failed.emit)

    def _on_devices_listed(self, result: tuple[str, list[str]]) -> None:
        name, devices = result
        if name == self._view.name:
            self._devices = devices
            self.devices_changed.emit(devices)

    def _on_servers_requested(self) -> None:
        dialog = ServerDialog(self._view.name, self._view)
        dialog.saved.connect(self._on_server_saved)
        dialog.finished.connect(self.refresh)  # a server may have been removed
        dialog.open()

    def _on_server_saved(self, name: str) -> None:
        is_new = name not in self._view.names
        self.refresh()
        if is_new:
            self._view.choose(name)
        self._list_devices()  # its profile may name other ones now


def _list_devices(name: str, launcher: Launcher) -> tuple[str, list[str]]:
    return name, launcher.list_devices()
