"""The train dock in a real viewer, with real trainings of a few steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton, QTabWidget

from napari_unet.runs.run_list import list_runs, summarize
from napari_unet.settings import Settings, hold, let_go, load_settings, remember
from napari_unet.widgets.train.dock import TrainDock
from training.config import TrainingConfig, preset_config
from training.opening import read_stack
from training.runs.run_directory import RunDirectory
from training.stacks.synthetic import synthetic_stack, write_synthetic

from .conftest import report

PATIENCE = 120_000  # milliseconds; a process that imports MindSpore on a busy machine

OpenDock = Callable[[], tuple[Any, TrainDock]]


@pytest.fixture
def runs_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs of 'tests'"
    remember(Settings(runs_folder=str(folder)))
    return folder


@pytest.fixture
def open_dock(make_napari_viewer: Any, runs_folder: Path, qtbot: QtBot) -> OpenDock:
    """``open_dock()`` gives a shown viewer with a synthetic pair, and its train dock."""

    def open_one() -> tuple[Any, TrainDock]:
        viewer = make_napari_viewer(show=True)
        images, labels = synthetic_stack(slices=6, size=64)
        viewer.add_image(images, name="sections")
        viewer.add_labels((labels == 0).astype("uint8"), name="membranes")
        dock = TrainDock(viewer)
        viewer.window.add_dock_widget(dock, name="Train")
        qtbot.waitUntil(lambda: "Membrane" in visible_text(dock), timeout=PATIENCE)
        return viewer, dock

    return open_one


def visible_text(dock: TrainDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def button(dock: TrainDock, text: str) -> QPushButton:
    return next(button for button in dock.findChildren(QPushButton) if button.text() == text)


def click(qtbot: QtBot, dock: TrainDock, text: str) -> None:
    qtbot.waitUntil(lambda: button(dock, text).isEnabled(), timeout=PATIENCE)
    qtbot.mouseClick(button(dock, text), Qt.MouseButton.LeftButton)


def wait_for_text(qtbot: QtBot, dock: TrainDock, text: str) -> None:
    """Wait until the dock says so; a training that has failed will not have it do so."""

    def is_told() -> bool:
        told = visible_text(dock)
        if text not in told and "Failed" in told:
            pytest.fail(told)
        return text in told

    qtbot.waitUntil(is_told, timeout=PATIENCE)


def wait_for_end(qtbot: QtBot, dock: TrainDock, text: str) -> None:
    """The process is gone, and the dock says what became of it."""
    wait_for_text(qtbot, dock, text)
    qtbot.waitUntil(button(dock, "Start").isEnabled, timeout=PATIENCE)


def only_run(folder: Path) -> RunDirectory:
    (summary,) = list_runs(folder)
    return summary.run


def was_notified(text: str) -> bool:
    """Return whether one of napari's notifications says so."""
    return any(text in record.message for record in notification_manager.records)


def set_options(dock: TrainDock, **options: Any) -> None:
    for name, value in options.items():
        dock.form.set_value(name, value)


def answer(text: str, qtbot: QtBot) -> Callable[[], None]:
    """Presses a button of the message box that will be open."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        choice = next(button for button in box.buttons() if text in button.text())
        qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)

    return press


def test_a_training_started_by_a_click_is_watched_to_its_end(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    viewer, dock = open_dock()
    set_options(dock, steps=4, eval_interval=1, seed=5)
    click(qtbot, dock, "Start")
    wait_for_end(qtbot, dock, "Finished")
    run = only_run(runs_folder)
    assert run.best.exists()
    assert "4 of 4" in visible_text(dock)
    assert "held out for validation" in visible_text(dock)
    assert not button(dock, "Stop").isEnabled()
    preview = next(layer for layer in viewer.layers if layer.name == "training preview")
    assert isinstance(preview, Image)
    assert preview.data.shape == (1, 64, 64)
    assert preview.data.any()
    qtbot.waitUntil(lambda: load_settings().training.get("seed") == 5)
    config = run.read_config()  # the layers have no files, so they were written into the run
    assert (read_stack(config.image) == viewer.layers["sections"].data).all()
    membrane = read_stack(config.labels) == 0
    assert config.label_convention == "isbi"
    assert (membrane == (viewer.layers["membranes"].data == 1)).all()


def test_stop_keeps_the_model_and_resume_goes_on(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    _, dock = open_dock()
    set_options(dock, steps=100_000)
    click(qtbot, dock, "Start")
    wait_for_text(qtbot, dock, "of 100000")
    click(qtbot, dock, "Stop")
    wait_for_end(qtbot, dock, "Stopped")
    run = only_run(runs_folder)
    assert run.best.exists()
    click(qtbot, dock, "Resume")
    qtbot.waitUntil(lambda: summarize(run).status == "running", timeout=PATIENCE)
    click(qtbot, dock, "Stop")
    wait_for_end(qtbot, dock, "Stopped")


def test_a_killed_process_is_reported_and_can_be_resumed(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    _, dock = open_dock()
    set_options(dock, steps=100_000)
    click(qtbot, dock, "Start")
    wait_for_text(qtbot, dock, "of 100000")
    run = only_run(runs_folder)
    process = run.find_training()
    assert process is not None
    process.kill()
    wait_for_text(qtbot, dock, "it was killed")
    assert "Interrupted" in visible_text(dock)
    resume = next(button for button in dock.findChildren(QPushButton) if button.text() == "Resume")
    qtbot.mouseClick(resume, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: summarize(run).status == "running", timeout=PATIENCE)


def test_cancel_asks_and_deletes(open_dock: OpenDock, runs_folder: Path, qtbot: QtBot) -> None:
    _, dock = open_dock()
    set_options(dock, steps=100_000)
    click(qtbot, dock, "Start")
    qtbot.waitUntil(lambda: button(dock, "Cancel").isEnabled(), timeout=PATIENCE)
    run = only_run(runs_folder)
    qtbot.waitUntil(lambda: run.find_training() is not None, timeout=PATIENCE)
    process = run.find_training()
    QTimer.singleShot(300, answer("Keep", qtbot))
    click(qtbot, dock, "Cancel")
    assert only_run(runs_folder).config.exists()
    QTimer.singleShot(300, answer("Cancel and delete", qtbot))
    click(qtbot, dock, "Cancel")
    wait_for_text(qtbot, dock, "was cancelled")
    assert list_runs(runs_folder) == []
    assert process is not None
    assert not process.is_running()


def test_a_run_left_running_is_followed_after_a_restart(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    viewer, dock = open_dock()
    set_options(dock, steps=100_000)
    click(qtbot, dock, "Start")
    wait_for_text(qtbot, dock, "of 100000")
    window = dock.window()
    QTimer.singleShot(300, answer("Don't close", qtbot))
    assert not window.close()
    QTimer.singleShot(300, answer("Leave it running", qtbot))
    assert window.close()
    run = only_run(runs_folder)
    assert run.find_training() is not None
    assert load_settings().followed_run == str(run.path)
    viewer.close()

    _, again = open_dock()
    wait_for_text(qtbot, again, "of 100000")
    assert load_settings().followed_run == ""
    click(qtbot, again, "Stop")
    wait_for_end(qtbot, again, "Stopped")


def test_a_training_whose_dock_is_closed_goes_on_and_is_followed_by_the_next_dock(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    viewer, dock = open_dock()
    set_options(dock, steps=100_000, eval_interval=1)
    click(qtbot, dock, "Start")
    wait_for_text(qtbot, dock, "of 100000")
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    assert summarize(only_run(runs_folder)).is_running
    again = TrainDock(viewer)
    viewer.window.add_dock_widget(again, name="Train")
    wait_for_text(qtbot, again, "of 100000")
    assert was_notified("Still training") and was_notified("is followed again")
    click(qtbot, again, "Stop")
    wait_for_end(qtbot, again, "Stopped")


def test_a_training_is_stopped_before_the_window_closes(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    _, dock = open_dock()
    set_options(dock, steps=100_000)
    click(qtbot, dock, "Start")
    wait_for_text(qtbot, dock, "of 100000")
    window, run = dock.window(), only_run(runs_folder)
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the fixture deletes it
    QTimer.singleShot(300, answer("Stop it", qtbot))
    assert not window.close()
    qtbot.waitUntil(lambda: not window.isVisible())
    assert was_notified("napari closes when")
    qtbot.waitUntil(lambda: summarize(run).status == "stopped", timeout=PATIENCE)


def test_a_refused_start_is_explained_beside_start_and_leaves_the_shown_run(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    viewer, dock = open_dock()
    run = RunDirectory(runs_folder / "stopped")
    run.create(preset_config("compact"))
    report(run, "stopped", step=1, seconds=2.0)
    dock.follow(run)
    qtbot.waitUntil(button(dock, "Resume").isEnabled)
    tabs = dock.findChild(QTabWidget)
    tabs.setCurrentIndex(0)
    viewer.layers["membranes"].data = viewer.layers["membranes"].data[:4]
    click(qtbot, dock, "Start")
    wait_for_text(qtbot, dock, "(4, 64, 64)")
    message = next(label for label in dock.findChildren(QLabel) if "(4, 64" in label.text())
    assert message.isVisible() and tabs.currentIndex() == 0
    qtbot.waitUntil(button(dock, "Resume").isEnabled)  # again, once the start has been refused
    assert [summary.run.name for summary in list_runs(runs_folder)] == ["stopped"]


def test_a_run_whose_folder_is_gone_is_not_called_interrupted(
    open_dock: OpenDock, runs_folder: Path, qtbot: QtBot
) -> None:
    _, dock = open_dock()
    run = RunDirectory(runs_folder / "gone")
    run.create(preset_config("compact"))
    report(run, "finished", step=1, seconds=2.0)
    shutil.rmtree(run.path)
    dock.follow(run)
    wait_for_text(qtbot, dock, "is not there any more")
    assert "newest checkpoint" not in visible_text(dock)
    assert not button(dock, "Resume").isEnabled() and button(dock, "Start").isEnabled()


def test_nothing_is_started_where_the_dock_knows_why_not(open_dock: OpenDock, qtbot: QtBot) -> None:
    viewer, dock = open_dock()
    assert button(dock, "Start").isEnabled()
    wait_for_text(qtbot, dock, "About 1 min on this CPU.")
    viewer.layers.remove("membranes")
    assert "About" not in visible_text(dock)
    assert not button(dock, "Start").isEnabled()
    assert "Paint labels" in button(dock, "Start").toolTip()
    viewer.add_labels(synthetic_stack(slices=4, size=64)[1].astype("uint8"), name="short")
    wait_for_text(qtbot, dock, "(4, 64, 64)")
    assert not button(dock, "Start").isEnabled()


def test_a_folder_can_be_trained_on_and_inverted(
    open_dock: OpenDock, tmp_path: Path, qtbot: QtBot
) -> None:
    write_synthetic(tmp_path / "data", slices=6, size=64)
    _, dock = open_dock()
    dock.data.choose_folder(tmp_path / "data")
    wait_for_text(qtbot, dock, "6 x 64 x 64")
    assert dock.data.pair.convention == "isbi"
    click(qtbot, dock, "Invert")
    assert dock.data.pair.convention == "membrane"
    assert "a lot of membrane" in visible_text(dock)


def test_labels_opened_after_their_images_are_taken(
    make_napari_viewer: Any, runs_folder: Path, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    images, labels = synthetic_stack(slices=6, size=64)
    viewer.add_image(images, name="sections")
    dock = TrainDock(viewer)
    qtbot.addWidget(dock)
    viewer.add_layer(Labels((labels == 0).astype("uint8"), name="membranes"))
    wait_for_text(qtbot, dock, "Membrane")
    assert dock.data.data().labels.name == "membranes"


def test_the_form_remembers_the_last_training(make_napari_viewer: Any, qtbot: QtBot) -> None:
    remember(Settings(training={"preset": "medical", "lr": 0.003, "steps": -1, "gone": 1}))
    dock = TrainDock(make_napari_viewer())
    qtbot.addWidget(dock)
    config = dock.form.config()
    assert config == TrainingConfig(preset="medical", lr=0.003)


def test_where_nothing_is_open_nothing_can_be_started(
    make_napari_viewer: Any, qtbot: QtBot
) -> None:
    dock = TrainDock(make_napari_viewer())
    qtbot.addWidget(dock)
    assert not button(dock, "Start").isEnabled()


def test_the_options_are_those_of_the_project_that_is_open(
    open_dock: OpenDock, qtbot: QtBot
) -> None:
    _, dock = open_dock()
    choices = {"project": "/p", "training": {"preset": "compact", "epochs": 77}}
    hold(choices)
    dock.front_changed.emit(True)
    assert dock.form.values()["epochs"] == 77
    let_go(choices)
    dock.front_changed.emit(True)
    assert dock.form.values()["epochs"] == 12
