"""The train dock with a server: the same dock, the training elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton

from napari_unet.servers.profiles import save_profile
from napari_unet.settings import remember
from napari_unet.widgets.train_dock import TrainDock
from tests.napari_unet.servers.quick_server import install_quick_python
from tests.napari_unet.servers.sshd import Sshd
from training.synthetic import synthetic_stack

PATIENCE = 60_000  # milliseconds


def click(qtbot: QtBot, dock: TrainDock, text: str) -> None:
    button = next(one for one in dock.findChildren(QPushButton) if one.text() == text)
    qtbot.waitUntil(button.isEnabled, timeout=PATIENCE)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def shows(dock: TrainDock, text: str) -> bool:
    return any(text in label.text() for label in dock.findChildren(QLabel))


def is_same(here: Path, there: Path) -> bool:
    return here.exists() and here.read_bytes() == there.read_bytes()


def test_training_on_a_server_looks_like_training_here(
    unknown_sshd: Sshd, make_napari_viewer: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "my runs"
    remember(runs_folder=str(folder))
    activate = install_quick_python(tmp_path / "quick python")
    save_profile(unknown_sshd.profile(name="the lab", activate=activate, devices=2))
    viewer = make_napari_viewer(show=True)
    images, labels = synthetic_stack(slices=6, size=64)
    viewer.add_image(images, name="sections")
    viewer.add_labels((labels == 0).astype("uint8"), name="membranes")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    qtbot.waitUntil(lambda: shows(dock, "Membrane"), timeout=PATIENCE)

    asked: list[str] = []

    def accept_key() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, accept_key)
            return
        asked.append(box.informativeText())
        choice = next(one for one in box.buttons() if one.text() == "Accept its key")
        qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)

    dock.form.set_value("steps", 30)
    dock.place.choose("the lab")
    assert dock.place.name == "the lab"
    accept_key()
    click(qtbot, dock, "Start")
    qtbot.waitUntil(lambda: shows(dock, "Finished"), timeout=PATIENCE)
    assert len(asked) == 1 and "SHA256:" in asked[0]
    (run,) = folder.iterdir()
    there = unknown_sshd.work / "runs" / run.name
    for name in ("events.jsonl", "model.onnx"):
        qtbot.waitUntil(lambda name=name: is_same(run / name, there / name), timeout=PATIENCE)
