"""The button that sets up training, in the dock; uv is real, what it loads stands in."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton

from napari_unet.training_python.requirements import VERSIONS
from napari_unet.widgets.train.dock import TrainDock
from napari_unet.widgets.train.training_setup import TrainingSetup
from tests.napari_unet.training_python.stand_ins import Index
from training.stacks.synthetic import synthetic_stack

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] not in VERSIONS, reason="what stands in is of this Python"
)


def visible(dock: TrainDock) -> str:
    """What its labels and those of its buttons that can be pressed say."""
    buttons = [button for button in dock.findChildren(QPushButton) if button.isEnabled()]
    widgets = [*dock.findChildren(QLabel), *buttons]
    return "\n".join(widget.text() for widget in widgets if widget.isVisible())


def click(qtbot: QtBot, dock: TrainDock, text: str) -> None:
    (button,) = [
        button for button in dock.findChildren(QPushButton) if button.text().startswith(text)
    ]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_setting_up(
    make_napari_viewer: Any, qtbot: QtBot, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mindspore", None)
    index.is_open.clear()
    viewer = make_napari_viewer(show=True)
    images, labels = synthetic_stack(slices=6, size=64)
    viewer.add_image(images, name="sections")
    viewer.add_labels((labels == 0).astype("uint8"), name="membranes")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    qtbot.waitUntil(lambda: "Set up training, " in visible(dock))
    qtbot.waitUntil(lambda: "Membrane" in visible(dock))
    assert "Start" not in visible(dock).split("\n")
    click(qtbot, dock, "Set up training")
    qtbot.waitUntil(lambda: "Loading… " in visible(dock))
    qtbot.waitUntil(lambda: bool(index.begins))  # MindSpore's file, whose first half comes
    second = TrainingSetup()  # that of a dock which is opened meanwhile
    qtbot.addWidget(second)
    assert second.isVisibleTo(None)
    click(qtbot, dock, "Cancel setup")
    index.is_open.set()
    qtbot.waitUntil(lambda: "goes on where this one was" in visible(dock))
    click(qtbot, dock, "Set up training")
    qtbot.waitUntil(lambda: "Start" in visible(dock).split("\n"))
    assert "Set up training" not in visible(dock) and "Training is set up." in visible(dock)
    assert index.begins[-1] > 0


def test_a_setup_that_fails(qtbot: QtBot, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mindspore", None)
    index.status = 403
    setup = TrainingSetup()
    qtbot.addWidget(setup)
    setup.look()
    qtbot.waitUntil(lambda: "MindSpore" in setup.obstacle)
    (begin,) = [
        button for button in setup.findChildren(QPushButton) if button.text().startswith("Set up")
    ]
    qtbot.mouseClick(begin, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "403" in setup.message.text())
    assert not begin.isHidden()
