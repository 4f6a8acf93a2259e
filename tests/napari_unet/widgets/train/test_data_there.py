"""A training on a folder of a server, chosen in the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QWidget

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.runs.training_places import THIS_COMPUTER
from napari_unet.settings import Settings, remember
from napari_unet.widgets.train.dock import TrainDock
from tests.napari_unet.launchers.servers.conftest import client_key, home, sshd, unknown_sshd
from tests.napari_unet.launchers.servers.loopback.quick_server import write_data
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import lab
from tests.napari_unet.widgets.servers.browsing import choose_in_dialog
from training.label_convention import LabelConvention
from training.runs.run_directory import RunDirectory

__all__ = ["client_key", "home", "lab", "sshd", "unknown_sshd"]
Button = Callable[[QWidget, str], QPushButton]
PATIENCE = 60_000  # milliseconds


def test_a_folder_of_the_server_is_chosen_and_trained_on_there(
    lab: Profile, sshd: Sshd, viewer: Viewer, button: Button, qtbot: QtBot, tmp_path: Path
) -> None:
    there = write_data(sshd.login / "their <b>data")
    remember(Settings(runs_folder=str(tmp_path / "runs")))
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")

    def is_told(text: str) -> Callable[[], bool]:
        return lambda: any(text in label.text() for label in dock.findChildren(QLabel))

    qtbot.waitUntil(lambda: "lab" in dock.place.names, timeout=PATIENCE)
    source = dock.data.findChild(QComboBox)
    source.setCurrentText("A folder")
    dock.place.choose("lab")
    browse(dock, button, "/nowhere")
    qtbot.waitUntil(is_told("On lab: The data folder /nowhere does not exist."), timeout=PATIENCE)
    assert not button(dock, "Start").isEnabled()
    browse(dock, button, str(there))
    qtbot.waitUntil(is_told("Images and labels are there."), timeout=PATIENCE)
    qtbot.waitUntil(button(dock, "Start").isEnabled, timeout=PATIENCE)
    dock.place.choose(THIS_COMPUTER)
    assert is_told("The data are on lab. Choose lab beside Train on.")()
    assert not button(dock, "Start").isEnabled()

    dock.place.choose("lab")
    dock.form.set_value("steps", 3)
    button(dock, "Start").click()
    qtbot.waitUntil(lambda: is_over(tmp_path), timeout=PATIENCE)
    (path,) = (tmp_path / "runs").iterdir()
    config = RunDirectory(path).read_config()
    assert config.image == f"lab:{there}/train-volume.tif"
    assert config.label_convention == LabelConvention.ISBI
    assert not list((sshd.work / "store").iterdir())


def test_labels_that_are_ids_keep_their_options(
    lab: Profile, sshd: Sshd, viewer: Viewer, button: Button, qtbot: QtBot
) -> None:
    there = write_data(sshd.login / "ids")
    z, y, x = np.indices((10, 32, 32))
    tifffile.imwrite(
        there / "train-labels.tif", (16 * z + y // 8 * 4 + x // 8 + 1).astype(np.uint16)
    )
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    qtbot.waitUntil(lambda: "lab" in dock.place.names, timeout=PATIENCE)
    dock.data.findChild(QComboBox).setCurrentText("A folder")
    dock.place.choose("lab")
    browse(dock, button, str(there))
    is_ids = LabelConvention.INSTANCES
    qtbot.waitUntil(lambda: dock.data.pair.convention == is_ids, timeout=PATIENCE)


def browse(dock: TrainDock, button: Button, path: str) -> None:
    choosing = choose_in_dialog(path)
    button(dock, "Browse lab…").click()
    choosing.stop()


def is_over(folder: Path) -> bool:
    events = [path.read_text() for path in folder.glob("runs/*/events.jsonl")]
    return any('"kind": "finished"' in text for text in events)
