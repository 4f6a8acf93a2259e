"""A stack that is on a server, found in its folders and predicted there, by the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QLineEdit,
    QListWidget,
    QPushButton,
    QTableView,
    QWidget,
)

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.settings import Settings, remember
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.predict.dock import PredictDock
from napari_unet.widgets.predict.place_choice import PlaceChoice
from napari_unet.widgets.runs import dock as runs_dock
from napari_unet.widgets.runs.dock import RunsDock
from napari_unet.widgets.servers import host_key_question
from napari_unet.widgets.servers.browse_dialog import BrowseDialog
from tests.napari_unet.launchers.servers.conftest import client_key, home, sshd, unknown_sshd
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import lab
from tests.napari_unet.widgets.servers.browsing import choose_button, choose_in_dialog
from training.model.starter_model import starter_path

__all__ = ["client_key", "home", "lab", "sshd", "unknown_sshd"]
Button = Callable[[QWidget, str], QPushButton]
PATIENCE = 60_000  # milliseconds


@pytest.fixture
def there(sshd: Sshd) -> Path:
    there = sshd.login / "their data"
    there.mkdir()
    pages = np.random.default_rng(1).integers(0, 256, (6, 20, 30), dtype=np.uint8)
    tifffile.imwrite(there / "stack.tif", pages)
    (there / "notes.txt").touch()
    return there


def names(dialog: BrowseDialog) -> list[str]:
    shown = dialog.findChild(QListWidget)
    return [shown.item(row).text() for row in range(shown.count())]


def activate(dialog: BrowseDialog, name: str) -> None:
    shown = dialog.findChild(QListWidget)
    (item,) = shown.findItems(name, Qt.MatchFlag.MatchExactly)
    shown.setCurrentItem(item)
    shown.itemActivated.emit(item)


def test_folders_are_browsed_and_a_lost_connection_is_told(
    lab: Profile,
    there: Path,
    sshd: Sshd,
    home: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (home / ".ssh" / "known_hosts").unlink()
    asked = iter([True])
    monkeypatch.setattr(host_key_question, "confirm", lambda *_: next(asked))
    dialog = BrowseDialog("lab", "stack")
    qtbot.addWidget(dialog)
    dialog.show()
    path, message = dialog.findChild(QLineEdit), dialog.findChild(MessageLine)
    choose = choose_button(dialog)
    assert not choose.isEnabled()
    qtbot.waitUntil(lambda: path.text().startswith("/"), timeout=PATIENCE)
    path.setText(str(sshd.login))
    qtbot.keyClick(path, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "their data/" in names(dialog), timeout=PATIENCE)
    activate(dialog, "their data/")
    qtbot.waitUntil(lambda: names(dialog) == ["notes.txt", "stack.tif"], timeout=PATIENCE)
    activate(dialog, "stack.tif")
    assert str(dialog.chosen) == f"lab:{there}/stack.tif"
    sshd.stop()
    path.setText("/none")
    qtbot.keyClick(path, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "lab" in message.text() and "Listing" not in message.text())
    sshd.start()
    qtbot.keyClick(path, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "can't be used: No such file" in message.text(), timeout=PATIENCE)
    assert names(dialog) == ["notes.txt", "stack.tif"]
    next(one for one in dialog.findChildren(QPushButton) if one.text() == "Up").click()
    qtbot.waitUntil(lambda: "their data/" in names(dialog), timeout=PATIENCE)
    assert dialog.isVisible()  # Enter listed folders, and chose none
    dialog.reject()


def test_a_stack_of_the_server_is_predicted_there_and_chosen_in_runs(
    lab: Profile,
    there: Path,
    sshd: Sshd,
    viewer: Viewer,
    button: Button,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remember(Settings(runs_folder=str(tmp_path / "runs")))
    monkeypatch.setattr(runs_dock, "_REFRESH_INTERVAL", 100)
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    assert isinstance(dock, PredictDock)
    dock.use_model(starter_path())
    places = dock.findChild(PlaceChoice).findChild(QComboBox)
    qtbot.waitUntil(lambda: places.count() == 2)
    assert not [one for one in dock.findChildren(QPushButton) if one.text() == "Browse lab…"]
    places.setCurrentText("lab")
    browse = button(dock, "Browse lab…")
    assert browse.isVisible()
    choosing = choose_in_dialog(f"{there}/stack.tif")
    browse.click()
    choosing.stop()

    def rows() -> list[str]:
        runs = [one for one in viewer.window.dock_widgets.values() if isinstance(one, RunsDock)]
        models = [one.findChild(QTableView).model() for one in runs]
        shown = [model.index(0, column).data() for model in models for column in (2, 3)]
        return list(map(str, shown))

    qtbot.waitUntil(lambda: rows() == ["6/6", "finished"], timeout=PATIENCE)
    assert "is predicted there: follow and fetch it in Runs" in dock.message.text()
    (runs,) = [one for one in viewer.window.dock_widgets.values() if isinstance(one, RunsDock)]
    button(runs, "Fetch").click()
    mask = next((tmp_path / "runs").iterdir()) / "mask.tif"
    said = f"mask: {mask}. Its stack isn't open: press Open to see the mask alone."
    qtbot.waitUntil(lambda: runs.message.text() == said, timeout=PATIENCE)
    expected = tifffile.imread(there / "stack.tif") / np.float32(255) >= 0.5
    np.testing.assert_array_equal(tifffile.imread(mask) == 0, expected)
    assert not (sshd.work / "store").exists() or not list((sshd.work / "store").iterdir())
