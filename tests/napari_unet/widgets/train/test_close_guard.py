from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel, QMainWindow, QMessageBox, QWidget

from napari_unet.settings import load_settings
from napari_unet.widgets.train.close_guard import CloseGuard
from napari_unet.widgets.train.run_control import RunControl
from training.runs.run_directory import RunDirectory

from .conftest import NAME


@pytest.fixture
def control(qtbot: QtBot, running: RunDirectory) -> RunControl:
    """A control that follows a run which goes on."""
    control = RunControl(running.path.parent)
    with qtbot.waitSignal(control.progressed):
        control.follow(running)
    return control


@pytest.fixture
def window(control: RunControl, qtbot: QtBot) -> QMainWindow:
    """A window that the guard keeps open."""
    window = QMainWindow()
    window.setCentralWidget(QWidget())
    QLabel("canvas", window.centralWidget())
    guarded = QLabel("part", window)
    guard = CloseGuard(control, guarded)
    qtbot.addWidget(window, before_close_func=lambda it: it.removeEventFilter(guard))
    window.show()
    guarded.show()
    return window


def answer(text: str) -> list[str]:
    """Press a button of the question that comes next; returns where its texts will be put."""
    asked: list[str] = []

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(20, press)
            return
        asked.append(box.text())
        next(button for button in box.buttons() if text in button.text()).click()

    press()
    return asked


def test_a_window_stays_open_if_a_person_wants_it(window: QMainWindow) -> None:
    asked = answer("Don't close")
    assert not window.close()
    assert asked == [f"'{NAME}' is still training."]


def test_a_run_that_is_left_running_is_remembered(
    window: QMainWindow, running: RunDirectory
) -> None:
    answer("Leave it running")
    assert window.close()
    assert load_settings().followed_run == str(running.path)
    assert not running.stop_request.exists()


def test_the_window_closes_once_the_run_was_asked_to_stop(
    window: QMainWindow, control: RunControl, running: RunDirectory, qtbot: QtBot
) -> None:
    answer("Stop it")
    with qtbot.waitSignal(control.stop_sent):
        assert not window.close()
    qtbot.waitUntil(lambda: not window.isVisible())
    assert running.stop_request.exists()


def test_nothing_is_asked_without_a_run(
    qtbot: QtBot, make_run: Callable[..., RunDirectory]
) -> None:
    control = RunControl(make_run("old").path.parent)
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(QLabel("canvas"))
    CloseGuard(control, window.centralWidget())
    window.show()
    assert window.close()
