"""The runs dock: the list of a folder, and what its buttons do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QTableView,
    QWidget,
)

from napari_unet.settings import Settings, hold, let_go, remember
from napari_unet.widgets.common.text_window import TextWindow
from napari_unet.widgets.runs import device_log
from napari_unet.widgets.runs import dock as runs_dock
from napari_unet.widgets.runs.dock import RunsDock
from napari_unet.widgets.runs.export_dialog import ExportModelDialog
from tests.napari_unet.conftest import WriteModel
from training.config import preset_config
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

Button = Callable[[QWidget, str], QPushButton]
FailOnce = Callable[..., Callable[[], bool]]
PATIENCE = 60_000  # milliseconds


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that was stopped, in the folder that the settings name."""
    folder = tmp_path / "runs"
    run = RunDirectory(folder / "first")
    run.create(preset_config("compact"))
    log = EventLog(run.events)
    log.append("started", device="CPU", world_size=1, first_step=0, total_steps=9, total_epochs=5)
    log.append("stopped", step=2, seconds=65.0)
    log.close()
    run.log.write_text("step: 1\n")
    remember(Settings(runs_folder=str(folder)))
    return run


@pytest.fixture
def dock(make_napari_viewer: Any, run: RunDirectory, qtbot: QtBot) -> RunsDock:
    dock = RunsDock(make_napari_viewer())
    qtbot.addWidget(dock)
    table = dock.findChild(QTableView)
    qtbot.waitUntil(lambda: table.model().rowCount() == 1, timeout=PATIENCE)
    table.selectRow(0)
    return dock


def test_a_row_tells_name_and_state(dock: RunsDock) -> None:
    model = dock.findChild(QTableView).model()
    row = [model.index(0, column).data() for column in range(model.columnCount())]
    assert row[1:] == ["first", "", "stopped"]


def test_f2_renames_a_run(dock: RunsDock, run: RunDirectory, qtbot: QtBot) -> None:
    dock.show()
    dock.activateWindow()
    table = dock.findChild(QTableView)
    table.setFocus()
    qtbot.waitUntil(table.hasFocus, timeout=PATIENCE)
    qtbot.keyClick(table, Qt.Key.Key_F2)
    editor = table.viewport().findChild(QLineEdit)
    editor.clear()
    qtbot.keyClicks(editor, "cortex, 60 epochs")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    name = table.model().index(0, 1)
    qtbot.waitUntil(lambda: name.data() == "cortex, 60 epochs", timeout=PATIENCE)
    assert run.config.exists()  # the folder keeps its name


def test_only_what_can_be_done_is_offered(dock: RunsDock, button: Button) -> None:
    assert button(dock, "Resume").isEnabled()
    assert not button(dock, "Predict").isEnabled()
    assert button(dock, "Delete").isEnabled()


def test_a_new_run_appears_and_the_chosen_one_stays_chosen(
    dock: RunsDock, run: RunDirectory, button: Button, qtbot: QtBot
) -> None:
    second = RunDirectory(run.path.parent / "second")
    second.create(preset_config("medical"))
    second.best.write_bytes(b"model")
    table = dock.findChild(QTableView)
    qtbot.waitUntil(lambda: table.model().rowCount() == 2, timeout=PATIENCE)
    (row,) = table.selectionModel().selectedRows()
    assert row.siblingAtColumn(1).data() == "first"
    table.selectRow(1 - row.row())
    assert button(dock, "Predict").isEnabled()


def test_a_model_is_exported_in_the_form_that_is_chosen(
    dock: RunsDock,
    run: RunDirectory,
    button: Button,
    write_model: WriteModel,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    target = tmp_path / "membranes.onnx"
    run.onnx.write_bytes(write_model().read_bytes())
    qtbot.waitUntil(button(dock, "Export…").isEnabled, timeout=PATIENCE)

    def fill_in() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, ExportModelDialog)
        file = next(line for line in dialog.findChildren(QLineEdit) if line.text()[-4:] == ".zip")
        form = dialog.findChild(QComboBox)
        form.setCurrentIndex(form.findData(".onnx"))
        assert file.text().endswith("first.onnx")
        file.setText(str(target))
        qtbot.mouseClick(button(dialog, "Export"), Qt.MouseButton.LeftButton)

    QTimer.singleShot(300, fill_in)
    qtbot.mouseClick(button(dock, "Export…"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: f"ONNX: {target}" in text(dock), timeout=PATIENCE)
    assert target.read_bytes() == run.onnx.read_bytes()


@pytest.mark.parametrize(("name", "text"), [("Log", "step: 1"), ("Configuration", '"epochs"')])
def test_log_and_configuration_are_shown(
    dock: RunsDock, button: Button, qtbot: QtBot, name: str, text: str
) -> None:
    qtbot.mouseClick(button(dock, name), Qt.MouseButton.LeftButton)
    window = dock.findChild(TextWindow)
    assert text in window.text()
    window.close()


def test_deletion_asks_first(
    dock: RunsDock, run: RunDirectory, button: Button, qtbot: QtBot
) -> None:
    def press(text: str) -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        choice = next(button for button in box.buttons() if button.text() == text)
        qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)

    QTimer.singleShot(300, lambda: press("Keep"))
    qtbot.mouseClick(button(dock, "Delete"), Qt.MouseButton.LeftButton)
    assert run.config.exists()
    QTimer.singleShot(300, lambda: press("Delete"))
    qtbot.mouseClick(button(dock, "Delete"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not run.path.exists(), timeout=PATIENCE)
    table = dock.findChild(QTableView)
    qtbot.waitUntil(lambda: table.model().rowCount() == 0, timeout=PATIENCE)


def test_after_a_failed_listing_the_next_one_is_shown(
    make_napari_viewer: Any, run: RunDirectory, fail_once: FailOnce, qtbot: QtBot
) -> None:
    is_reported = fail_once(runs_dock, "list_runs")
    dock = RunsDock(make_napari_viewer())
    qtbot.addWidget(dock)
    qtbot.waitUntil(is_reported)
    table = dock.findChild(QTableView)
    qtbot.waitUntil(lambda: table.model().rowCount() == 1, timeout=PATIENCE)
    qtbot.waitUntil(lambda: not is_reported(), timeout=PATIENCE)


def test_what_failed_is_said_in_the_dock_until_the_next_try(
    dock: RunsDock, run: RunDirectory, button: Button
) -> None:
    run.config.unlink()
    button(dock, "Configuration").click()
    assert f"{run.config} can't be read" in text(dock)


def test_a_project_has_its_own_runs(dock: RunsDock, tmp_path: Path, qtbot: QtBot) -> None:
    table = dock.findChild(QTableView)
    choices = {"runs_folder": str(tmp_path / "project/runs")}
    hold(choices)
    qtbot.waitUntil(lambda: table.model().rowCount() == 0, timeout=PATIENCE)
    let_go(choices)
    qtbot.waitUntil(lambda: table.model().rowCount() == 1, timeout=PATIENCE)


def test_after_a_failed_reading_the_log_goes_on(
    dock: RunsDock, run: RunDirectory, button: Button, fail_once: FailOnce, qtbot: QtBot
) -> None:
    button(dock, "Log").click()
    window = dock.findChild(TextWindow)
    fail_once(device_log, "read_tail")
    qtbot.waitUntil(lambda: "Trying again" in text(window), timeout=PATIENCE)
    run.log.write_text("step: 2\n")
    qtbot.waitUntil(lambda: "step: 2" in window.text(), timeout=PATIENCE)
    window.close()


def text(window: QWidget) -> str:
    return " ".join(label.text() for label in window.findChildren(QLabel))
