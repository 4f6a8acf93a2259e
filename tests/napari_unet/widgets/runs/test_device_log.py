from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QWidget

from napari_unet.widgets.runs.device_log import DeviceLogWindow
from training.config import preset_config
from training.runs.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of two devices, each with a log of its own."""
    run = RunDirectory(tmp_path / "<b>x<b>&amp;")
    run.create(preset_config("compact"))
    run.log.write_text("step: 1\n")
    for rank in range(2):
        log = run.device_log(rank)
        log.parent.mkdir(parents=True)
        log.write_text(f"<b>log</b> of device {rank}\n")
    return run


@pytest.fixture
def window(run: RunDirectory, qtbot: QtBot) -> Iterator[DeviceLogWindow]:
    parent = QWidget()
    qtbot.addWidget(parent)
    yield DeviceLogWindow(run, parent)


def test_the_training_s_own_log_comes_first(window: DeviceLogWindow) -> None:
    sources = window.findChild(QComboBox)
    titles = [sources.itemText(index) for index in range(sources.count())]
    assert titles == ["Whole training", "Device 0", "Device 1"]
    assert window.text() == "step: 1\n"
    assert window.windowTitle() == "Log of <b>x<b>&amp;"


def test_the_log_of_a_device_is_shown_as_it_is(window: DeviceLogWindow, qtbot: QtBot) -> None:
    window.choose(1)
    qtbot.waitUntil(lambda: window.text() == "<b>log</b> of device 1\n")


def test_new_lines_are_followed(window: DeviceLogWindow, run: RunDirectory, qtbot: QtBot) -> None:
    with run.log.open("a") as log:
        log.write("step: 2\n")
    qtbot.waitUntil(lambda: window.text() == "step: 1\nstep: 2\n")


def test_a_log_that_is_empty_is_said_to_be(tmp_path: Path, qtbot: QtBot) -> None:
    run = RunDirectory(tmp_path / "new")
    run.create(preset_config("compact"))
    parent = QWidget()
    qtbot.addWidget(parent)
    assert "Nothing was printed" in DeviceLogWindow(run, parent).text()
