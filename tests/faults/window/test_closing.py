"""Closing napari in every state of a run; tests of the train dock close it while one trains."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton, QWidget

from napari_unet.launchers.local_launcher import LocalLauncher, kill_tree, start_detached
from napari_unet.launchers.servers.profiles import save_profile
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.layers.plugin_layers import add_mask
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.runs.run_list import summarize
from napari_unet.runs.run_titles import read_title
from napari_unet.settings import Settings, load_settings, remember
from napari_unet.widgets.train.dock import TrainDock
from tests.faults.window.census import wait_for_threads
from tests.napari_unet.launchers.servers.conftest import (  # noqa: F401  (fixtures)
    client_key,
    home,
    sshd,
    unknown_sshd,
)
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    install_quick_python,
    processes_on,
    quick_config,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.config import preset_config
from training.runs.process_record import is_alive
from training.runs.run_directory import RunDirectory

PROGRAM = Path(__file__).with_name("phased_training.py")
PLUGIN = "napari-unet-mindspore"
LEAVE, STOP, STAY = "Leave it running", "Stop it", "Don't close napari"
HEADLINES = {
    "starting": "Starting: importing",
    "validating": "Training",
    "lingering": "Training",
    "finished": "Finished",
    "failed": "Failed",
}
StartRun = Callable[[str], RunDirectory]


@pytest.fixture
def start_run(tmp_path: Path) -> StartRun:
    """``start_run(phase)`` starts a training that stays in a phase."""
    remember(Settings(runs_folder=str(tmp_path / "runs")))
    run = RunDirectory(tmp_path / "runs" / "one")

    def start(phase: str) -> RunDirectory:
        run.create(preset_config("compact"))
        command = [sys.executable, str(PROGRAM), str(run.path), phase]
        process = start_detached(command, run.log)
        if phase in ("finished", "failed"):
            process.wait()
            return run
        while run.find_training() is None:
            assert is_alive(process), run.log.read_text()
        return run

    return start


def open_train(viewer: Viewer) -> TrainDock:
    dock: TrainDock = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")[1]
    return dock


def shows(dock: QWidget, text: str) -> bool:
    return any(text in label.text() for label in dock.findChildren(QLabel))


def wait_for_text(qtbot: QtBot, dock: QWidget, text: str) -> None:
    qtbot.waitUntil(lambda: shows(dock, text))


def wait_for_title(qtbot: QtBot, dock: QWidget, run: RunDirectory) -> None:
    """Wait until Progress shows a run's title, which may be written after the run has begun."""
    qtbot.waitUntil(lambda: shows(dock, f"<b>{read_title(run, run.read_config())}</b>"))


def button(dock: QWidget, text: str) -> QPushButton:
    return next(button for button in dock.findChildren(QPushButton) if button.text() == text)


def wait_until_ended(qtbot: QtBot, dock: QWidget) -> None:
    """Wait until the training's process has ended as well."""
    qtbot.waitUntil(lambda: not button(dock, "Cancel").isEnabled())


def close(viewer: Viewer, qtbot: QtBot, answer: str = STAY) -> list[str]:
    """Close the window as a person does, and let it be deleted; returns what was asked."""
    window = viewer.window._qt_window
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    asked: list[str] = []

    def press() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            asked.append(box.text())
            choice = next(button for button in box.buttons() if button.text() == answer)
            qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)
        elif not asked:
            timer.start()

    timer = QTimer(singleShot=True, interval=20)
    timer.timeout.connect(press)
    timer.start()
    window.close()
    qtbot.waitUntil(lambda: not window.isVisible())
    timer.stop()
    viewer.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return asked


def wait_until_nothing_is_left(qtbot: QtBot) -> None:
    """No thread of ours, no child that works, none that is a zombie."""
    wait_for_threads(qtbot)
    qtbot.waitUntil(lambda: psutil.Process().children(recursive=True) == [])
    waiters = [thread for thread in threading.enumerate() if thread.name.startswith("wait-")]
    qtbot.waitUntil(lambda: not any(thread.is_alive() for thread in waiters))


def follow_in(viewer: Viewer, run: RunDirectory, qtbot: QtBot, headline: str) -> TrainDock:
    """The Train dock, once it shows of a run what it must."""
    dock = open_train(viewer)
    dock.follow(run)
    wait_for_text(qtbot, dock, headline)
    return dock


@pytest.mark.parametrize("phase", ["starting", "validating"])
def test_a_run_is_stopped_in_any_phase(
    make_napari_viewer: Any, start_run: StartRun, qtbot: QtBot, phase: str
) -> None:
    viewer, run = make_napari_viewer(show=True), start_run(phase)
    follow_in(viewer, run, qtbot, HEADLINES[phase])
    assert close(viewer, qtbot, STOP) == ["'one' is still training."]
    wait_until_nothing_is_left(qtbot)
    assert summarize(run).status == "stopped"


@pytest.mark.parametrize("phase", ["starting", "validating", "lingering"])
def test_a_run_is_left_in_any_phase_and_followed_again(
    make_napari_viewer: Any, start_run: StartRun, qtbot: QtBot, phase: str
) -> None:
    viewer, run = make_napari_viewer(show=True), start_run(phase)
    dock = follow_in(viewer, run, qtbot, HEADLINES[phase])
    if phase == "lingering":
        stop = button(dock, "Stop")
        qtbot.waitUntil(stop.isEnabled)
        qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(run.stop_request.exists)
    assert close(viewer, qtbot, LEAVE) == ["'one' is still training."]
    wait_for_threads(qtbot)
    process = run.find_training()
    assert process is not None
    assert load_settings().followed_run == str(run.path)

    again = make_napari_viewer(show=True)
    wait_for_title(qtbot, open_train(again), run)
    kill_tree(process)
    wait_until_ended(qtbot, open_train(again))
    assert close(again, qtbot) == []
    wait_until_nothing_is_left(qtbot)


@pytest.mark.parametrize("phase", ["", "finished", "failed"])
def test_without_a_run_that_goes_on_nothing_is_asked(
    make_napari_viewer: Any, start_run: StartRun, qtbot: QtBot, phase: str
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = open_train(viewer)
    if phase:
        dock.follow(start_run(phase))
        wait_for_text(qtbot, dock, HEADLINES[phase])
        wait_until_ended(qtbot, dock)
    assert close(viewer, qtbot) == []
    wait_until_nothing_is_left(qtbot)


@pytest.mark.parametrize("answer", [LEAVE, STOP])
def test_a_run_on_a_server_is_left_or_stopped(
    make_napari_viewer: Any,
    sshd: Sshd,  # noqa: F811
    tmp_path: Path,
    qtbot: QtBot,
    answer: str,
) -> None:
    activate = install_quick_python(tmp_path / "quick python")
    profile = sshd.profile(name="the lab", activate=activate)
    save_profile(profile)
    remember(Settings(runs_folder=str(tmp_path / "runs")))
    with closing(RemoteLauncher(profile, tmp_path / "runs")) as launcher:
        run = launcher.start(quick_config(write_data(tmp_path / "data"), 5000), "one")
        viewer = make_napari_viewer(show=True)
        follow_in(viewer, run, qtbot, "Training")
        assert close(viewer, qtbot, answer) == ["'one' is still training."]
        wait_for_threads(qtbot)
        if answer == LEAVE:
            assert processes_on(sshd, launcher, run)
            again = make_napari_viewer(show=True)
            wait_for_title(qtbot, open_train(again), run)
            launcher.stop(run)
            wait_until_ended(qtbot, open_train(again))
            assert close(again, qtbot) == []
            wait_for_threads(qtbot)
        qtbot.waitUntil(lambda: not processes_on(sshd, launcher, run))
        launcher.refresh(run)
        assert summarize(run).status == "stopped"


@pytest.mark.parametrize("answer", [LEAVE, STOP])
def test_learning_on_is_left_or_stopped(
    viewer: Viewer,
    membrane: np.ndarray,
    start_run: StartRun,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    monkeypatch.setattr(LocalLauncher, "start", lambda *_: start_run("validating"))
    source = RunDirectory(Path(load_settings().runs_folder) / "source")
    source.create(preset_config("compact"))
    source.best.touch()
    mask = add_mask(viewer, membrane.astype(np.uint8), viewer.layers["tissue"], "mask")
    viewer.layers.selection.active = mask
    correct = viewer.window.add_plugin_dock_widget(PLUGIN, "Correct")[1]
    for z in (0, 3):
        viewer.dims.set_current_step(0, z)
        qtbot.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_C)
    qtbot.waitUntil(button(correct, "Keep training").isEnabled)
    qtbot.mouseClick(button(correct, "Keep training"), Qt.MouseButton.LeftButton)
    train = open_train(viewer)
    run = RunDirectory(Path(load_settings().runs_folder) / "one")
    qtbot.waitUntil(lambda: run.find_training() is not None)  # its title is told by its files
    wait_for_title(qtbot, train, run)
    wait_for_text(qtbot, train, "Training")
    assert close(viewer, qtbot, answer) == ["'one' is still training."]
    wait_for_threads(qtbot)
    if answer == LEAVE:
        process = run.find_training()
        assert process is not None
        kill_tree(process)
    wait_until_nothing_is_left(qtbot)
    assert summarize(run).status == ("stopped" if answer == STOP else "interrupted")


def test_a_prediction_ends_with_the_window(
    viewer: Viewer,
    write_model: Callable[..., Path],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    begun, go_on, stored = threading.Event(), threading.Event(), []
    request.addfinalizer(go_on.set)
    store = LivePrediction.store

    def store_slowly(prediction: LivePrediction, index: int, *rest: Any) -> None:
        begun.set()
        go_on.wait()
        stored.append(index)
        store(prediction, index, *rest)

    monkeypatch.setattr(LivePrediction, "store", store_slowly)
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")[1]
    dock.use_model(write_model())
    shown = viewer.dims.current_step[0]
    qtbot.mouseClick(button(dock, "Predict all slices"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(begun.is_set)
    assert close(viewer, qtbot) == []
    go_on.set()
    wait_until_nothing_is_left(qtbot)
    assert stored == [shown]
