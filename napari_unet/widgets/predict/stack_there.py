"""Prediction of a stack that is on a server already: nothing of it comes to the window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_unet.launchers.launcher import new_name
from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.predictions.prediction_launcher import (
    Begun,
    PredictionLauncher,
)
from napari_unet.launchers.servers.predictions.request import PredictionRequest
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.settings import load_settings
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.servers.browse_dialog import browse


class StackThere(QWidget):
    """A button that has a stack of the chosen server predicted there; seen where there is one."""

    chosen = Signal(object)  # ServerPath
    begun = Signal(object)  # Begun
    failed = Signal(Exception)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._server = ""
        self._browse = QPushButton()
        self._browse.setToolTip(
            "Choose a stack that is on the server, and predict it there. Its mask is fetched from "
            "the list of Runs."
        )
        self._browse.clicked.connect(self._on_clicked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._browse)
        self.show_server("")

    def show_server(self, server: str) -> None:
        """Offer the stacks of this server; none where it is empty."""
        self._server = server
        self._browse.setText(f"Browse {server}…")
        self.setVisible(bool(server))

    def predict(self, model: Path, stack: ServerPath, options: Mapping[str, str]) -> None:
        """Begin to predict a stack, in a thread.

        Parameters
        ----------
        options : mapping of str to str
            Of ``training.predict``, by name; empty: a flag that is set.
        """
        request = PredictionRequest(model, stack, {"mask": ""}, options=options)
        self._browse.setEnabled(False)
        run_in_thread(partial(_begin, stack.server, request), self._on_begun, self._on_failed)

    def _on_clicked(self) -> None:
        stack = browse(self._server, "stack", self)
        if stack is not None:
            self.chosen.emit(stack)

    def _on_begun(self, begun: Begun) -> None:
        self._browse.setEnabled(True)
        self.begun.emit(begun)

    def _on_failed(self, error: Exception) -> None:
        self._browse.setEnabled(True)
        self.failed.emit(error)


def _begin(server: str, request: PredictionRequest) -> Begun:
    folder = Path(load_settings().runs_folder).absolute()
    launcher = PredictionLauncher(find_profile(server), folder)
    try:
        name = new_name("predict", folder, datetime.now().astimezone())
        return launcher.predict(request, name)
    finally:
        launcher.close()
