"""Predictions on servers in the runs dock, over OpenSSH."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QPushButton, QTableView, QWidget

from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.launchers.servers.predictions.request import PredictionRequest
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.layers.layer_search import image_under
from napari_unet.layers.plugin_layers import is_predicted_mask
from napari_unet.settings import Settings, remember
from napari_unet.widgets.common.text_window import TextWindow
from napari_unet.widgets.files.file_opening import get_reader
from napari_unet.widgets.runs import dock as runs_dock
from napari_unet.widgets.runs.dock import RunsDock
from tests.napari_unet.launchers.servers.conftest import client_key, home, sshd, unknown_sshd
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import folder, lab
from training.devices.run_processes import kill_processes
from training.model.starter_model import starter_path
from training.runs.run_directory import RunDirectory

__all__ = ["client_key", "folder", "home", "lab", "sshd", "unknown_sshd"]
Button = Callable[[QWidget, str], QPushButton]
PATIENCE = 60_000  # milliseconds


@pytest.fixture
def run(lab: Profile, sshd: Sshd, folder: Path) -> Iterator[RunDirectory]:
    """A prediction that was begun here, and holds at its fourth slice."""
    sshd.work.with_name("hold-slice").write_text("3")
    remember(Settings(runs_folder=str(folder / "runs")))
    request = PredictionRequest(starter_path(), folder / "stack.tif", {"mask": ""})
    with closing(PredictionLauncher(lab, folder / "runs")) as launcher:
        yield launcher.predict(request, "predict-1").run


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def dock(
    viewer: ViewerModel, run: RunDirectory, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> RunsDock:
    monkeypatch.setattr(runs_dock, "_REFRESH_INTERVAL", 100)
    dock = RunsDock(viewer)
    qtbot.addWidget(dock)
    table = dock.findChild(QTableView)
    qtbot.waitUntil(lambda: table.model().rowCount() == 1, timeout=PATIENCE)
    assert row(dock)[1:] == ["Prediction of stack.tif", "", "waiting"]
    table.selectRow(0)
    return dock


def row(dock: RunsDock) -> list[str]:
    model = dock.findChild(QTableView).model()
    return [model.index(0, column).data() for column in range(model.columnCount())]


def enabled(dock: RunsDock) -> set[str]:
    buttons = dock.findChildren(QPushButton)
    return {button.text() for button in buttons if button.isEnabled()} - {"Folder…"}


def test_a_prediction_is_followed_logged_fetched_and_deleted(
    dock: RunsDock,
    run: RunDirectory,
    sshd: Sshd,
    folder: Path,
    viewer: ViewerModel,
    button: Button,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    qtbot.waitUntil(lambda: row(dock)[2:] == ["3/6", "running"], timeout=PATIENCE)
    assert enabled(dock) == {"Stop", "Log"}
    assert button(dock, "Resume").toolTip() == "It goes on."
    button(dock, "Log").click()
    window = dock.findChild(TextWindow)
    qtbot.waitUntil(lambda: "3 of 6 slices" in window.text(), timeout=PATIENCE)
    window.close()
    sshd.stop()
    qtbot.waitUntil(lambda: "Trying again in" in dock.message.text(), timeout=PATIENCE)
    sshd.start()
    sshd.work.with_name("hold-slice").unlink()
    qtbot.waitUntil(lambda: row(dock)[2:] == ["6/6", "finished"], timeout=PATIENCE)
    qtbot.waitUntil(lambda: not dock.message.text(), timeout=PATIENCE)
    assert enabled(dock) == {"Fetch", "Log", "Delete"}
    assert button(dock, "Resume").toolTip() == "It has finished."

    mask = run.path / "mask.tif"
    assert not mask.exists()
    button(dock, "Fetch").click()
    said = f"mask: {mask}. Its stack isn't open: press Open to see the mask alone."
    qtbot.waitUntil(lambda: dock.message.text() == said, timeout=PATIENCE)
    expected = tifffile.imread(folder / "stack.tif") / np.float32(255) >= 0.5
    np.testing.assert_array_equal(tifffile.imread(mask) == 0, expected)
    assert not viewer.layers

    qtbot.waitUntil(button(dock, "Open").isEnabled, timeout=PATIENCE)
    button(dock, "Open").click()
    qtbot.waitUntil(lambda: bool(viewer.layers), timeout=PATIENCE)
    (alone,) = viewer.layers
    assert alone.name == "stack.tif mask" and is_predicted_mask(alone)
    assert dock.message.text() == "'stack.tif mask' is added."
    np.testing.assert_array_equal(alone.data == 1, expected)
    np.testing.assert_allclose(alone.scale, (50, 4, 4))
    assert set(map(str, alone.units)) == {"nanometer"}
    button(dock, "Open").click()
    open_already = "'stack.tif mask' is open already."
    qtbot.waitUntil(lambda: dock.message.text() == open_already, timeout=PATIENCE)
    assert len(viewer.layers) == 1

    monkeypatch.setattr(runs_dock, "confirm", lambda *_: True)
    button(dock, "Delete").click()
    table = dock.findChild(QTableView)
    qtbot.waitUntil(lambda: table.model().rowCount() == 0, timeout=PATIENCE)
    assert not run.path.exists() and not list((sshd.work / "runs").iterdir())


def test_what_comes_home_lies_over_its_stack(
    dock: RunsDock,
    run: RunDirectory,
    sshd: Sshd,
    folder: Path,
    viewer: ViewerModel,
    button: Button,
    qtbot: QtBot,
) -> None:
    """Over it alone, not over another of its name or of its shape."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("stack.tif", "other.tif"):
        copyfile(folder / "stack.tif", elsewhere / name)
    stack, *_ = [
        viewer.add_layer(Layer.create(*get_reader(str(path))(str(path))[0]))
        for path in (folder / "stack.tif", elsewhere / "stack.tif", elsewhere / "other.tif")
    ]
    stack.name, stack.translate = "what I see", (1, 2, 3)
    stack.scale, stack.units = (0.05, 0.004, 0.004), ("um",) * 3
    sshd.work.with_name("hold-slice").unlink()
    qtbot.waitUntil(lambda: "Fetch" in enabled(dock), timeout=PATIENCE)
    button(dock, "Fetch").click()
    added = ". 'what I see mask' is added, over 'what I see'."
    qtbot.waitUntil(lambda: dock.message.text().endswith(added), timeout=PATIENCE)
    mask = viewer.layers["what I see mask"]
    assert viewer.layers.selection.active is mask and image_under(viewer, mask) is stack
    expected = tifffile.imread(folder / "stack.tif") / np.float32(255) >= 0.5
    np.testing.assert_array_equal(mask.data == 1, expected)
    for placed in ("scale", "translate", "units"):
        np.testing.assert_array_equal(getattr(mask, placed), getattr(stack, placed))


def test_a_prediction_is_stopped(
    dock: RunsDock, run: RunDirectory, sshd: Sshd, button: Button, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: row(dock)[2:] == ["3/6", "running"], timeout=PATIENCE)
    button(dock, "Stop").click()
    qtbot.waitUntil(lambda: row(dock)[2:] == ["3/6", "stopped"], timeout=PATIENCE)
    assert "'Prediction of stack.tif' ends now, and keeps nothing." in dock.message.text()
    assert enabled(dock) == {"Log", "Delete"}
    assert not list((sshd.work / "runs" / run.name).glob("*mask*"))


def test_a_killed_prediction_is_resumed(
    dock: RunsDock, run: RunDirectory, sshd: Sshd, button: Button, qtbot: QtBot
) -> None:
    """No slice is predicted twice, and twice pressed starts it once."""
    qtbot.waitUntil(lambda: row(dock)[2:] == ["3/6", "running"], timeout=PATIENCE)
    there = sshd.work / "runs" / run.name
    kill_processes(json.loads((there / "launch.json").read_text())["id"])
    qtbot.waitUntil(lambda: row(dock)[2:] == ["3/6", "interrupted"], timeout=PATIENCE)
    assert enabled(dock) == {"Resume", "Log", "Delete"}
    assert "after the slices that are done" in button(dock, "Resume").toolTip()
    (stack,) = (sshd.work / "store").iterdir()
    elsewhere = stack.rename(there / "stack")
    button(dock, "Resume").click()
    gone = f"lab no longer has {stack}, the stack of {run.name}, which stays as it was."
    qtbot.waitUntil(lambda: gone in dock.message.toolTip(), timeout=PATIENCE)
    assert row(dock)[2:] == ["3/6", "interrupted"]
    elsewhere.rename(stack)
    button(dock, "Resume").click()
    button(dock, "Resume").click()
    twice = f"The prediction {run.name} is not resumed. It goes on."
    qtbot.waitUntil(lambda: twice in dock.message.text(), timeout=PATIENCE)
    sshd.work.with_name("hold-slice").unlink()
    qtbot.waitUntil(lambda: row(dock)[2:] == ["6/6", "finished"], timeout=PATIENCE)
    printed = (there / "predict.log").read_text().splitlines()
    predicted = [line for line in printed if line.startswith("predicting")]
    assert predicted == [f"predicting slice {index}" for index in range(6)]
    assert printed.count("Note: Slices done before: 3; it goes on after them.") == 1
