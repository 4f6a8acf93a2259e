"""A stack that a server predicts for the window, over OpenSSH."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QLabel, QProgressBar

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.runs.training_places import THIS_COMPUTER
from napari_unet.widgets.predict.dock import PredictDock
from napari_unet.widgets.predict.place_choice import PlaceChoice
from napari_unet.widgets.servers import host_key_question
from tests.napari_unet.launchers.servers.conftest import client_key, home, sshd, unknown_sshd
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import lab
from training.model.starter_model import starter_path

__all__ = ["client_key", "home", "lab", "sshd", "unknown_sshd"]
Button = Callable[..., object]


@pytest.fixture
def dock(lab: Profile, viewer: Viewer, qtbot: QtBot) -> Iterator[PredictDock]:
    """The dock, after a person chose the server."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    dock.use_model(starter_path())
    places = dock.findChild(PlaceChoice).findChild(QComboBox)
    qtbot.waitUntil(lambda: places.count() == 2)
    assert [places.itemText(index) for index in range(2)] == [THIS_COMPUTER, "lab"]
    assert places.currentIndex() == 0 and places.isVisible()
    places.setCurrentText("lab")
    yield dock


def texts(dock: PredictDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel) if label.isVisible())


def start(dock: PredictDock, button: Button, qtbot: QtBot) -> None:
    qtbot.waitUntil(button(dock, "Predict all slices").isEnabled)
    button(dock, "Predict all slices").click()


def is_over(dock: PredictDock, button: Button) -> Callable[[], bool]:
    return lambda: button(dock, "Predict all slices").isEnabled()


def test_a_server_predicts_while_the_window_goes_on(
    dock: PredictDock, viewer: Viewer, sshd: Sshd, button: Button, qtbot: QtBot
) -> None:
    hold = sshd.work.with_name("hold-slice")
    hold.write_text("3")
    start(dock, button, qtbot)
    qtbot.waitUntil(lambda: "3 of 7 slices" in texts(dock), timeout=30_000)
    assert dock.findChild(QProgressBar).value() == 3
    assert not viewer.layers["tissue mask"].data.any()
    sshd.stop()
    qtbot.waitUntil(lambda: "The prediction goes on there." in texts(dock), timeout=30_000)
    sshd.start()
    hold.unlink()
    qtbot.waitUntil(is_over(dock, button), timeout=60_000)
    assert "7 slices in" in texts(dock)
    expected = (viewer.layers["tissue"].data / np.float32(255)).astype(np.float32)
    np.testing.assert_array_equal(viewer.layers["tissue probability"].data, expected)
    np.testing.assert_array_equal(viewer.layers["tissue mask"].data == 1, expected >= 0.5)
    assert not list((sshd.work / "runs").iterdir())


def test_cancel_ends_it_on_the_server_and_a_failure_is_told(
    dock: PredictDock,
    viewer: Viewer,
    sshd: Sshd,
    home: Path,
    button: Button,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server's key, which is not known yet, is accepted first."""
    hold = sshd.work.with_name("hold-slice")
    hold.write_text("2")
    (home / ".ssh" / "known_hosts").unlink()
    asked = iter([True])
    monkeypatch.setattr(host_key_question, "confirm", lambda *_: next(asked))
    start(dock, button, qtbot)
    qtbot.waitUntil(lambda: "2 of 7 slices" in texts(dock), timeout=30_000)
    button(dock, "Cancel").click()
    qtbot.waitUntil(is_over(dock, button), timeout=60_000)
    assert "Cancelled after 0 of 7 slices." in texts(dock)
    assert not list((sshd.work / "runs").iterdir())
    hold.unlink()
    sshd.work.with_name("die-at-slice").write_text("1")
    start(dock, button, qtbot)
    qtbot.waitUntil(is_over(dock, button), timeout=60_000)
    assert "The prediction on lab is interrupted." in dock.message.text()
    assert not viewer.layers["tissue mask"].data.any()
