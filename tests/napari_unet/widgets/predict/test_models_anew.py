"""What Predict offers once it is seen again, behind whose back trainings went on."""

import shutil
from collections.abc import Callable

from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QTabBar

from napari_unet.settings import default_runs_folder
from napari_unet.widgets.common.dock import PLUGIN, open_dock
from napari_unet.widgets.predict.model_choice import ModelChoice
from training.config import preset_config
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

TABS = 3


def finish_run(name: str, time: float) -> None:
    run = RunDirectory(default_runs_folder() / name)
    run.create(preset_config("compact"))
    log = EventLog(run.events)
    log.append("started", time=time, first_step=0, total_steps=9)
    log.append("finished", step=9, seconds=3.0)
    log.close()
    run.onnx.write_bytes(b"model")


def test_a_click_on_the_tab_offers_the_models_that_there_are_now_the_newest_first(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot
) -> None:
    finish_run("old", 1e9)
    viewer = make_napari_viewer(show=True)
    for name in ("Predict", "Correct", "Evaluate"):
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        dock.show()
    predict = open_dock(viewer, "Predict")
    window = viewer.window._qt_window
    qtbot.waitUntil(lambda: any(bar.count() == TABS for bar in window.findChildren(QTabBar)))
    tabs = next(bar for bar in window.findChildren(QTabBar) if bar.count() == TABS)
    models = predict.findChild(ModelChoice).findChild(QComboBox)

    def listed() -> list[str]:
        return [models.itemText(index).split(" · ")[-1] for index in range(models.count())]

    def click(name: str) -> None:
        index = [tabs.tabText(index) for index in range(TABS)].index(name)
        qtbot.mouseClick(tabs, Qt.MouseButton.LeftButton, pos=tabs.tabRect(index).center())
        qtbot.waitUntil(lambda: tabs.currentIndex() == index)

    qtbot.waitUntil(lambda: listed() == ["old", "Starter (no training)"])
    chosen = models.currentText()
    click("Evaluate")
    finish_run("new", 2e9)
    click("Predict")
    qtbot.waitUntil(lambda: listed() == ["new", "old", "Starter (no training)"])
    assert models.currentText() == chosen
    click("Evaluate")
    shutil.rmtree(default_runs_folder() / "old")
    click("Predict")
    qtbot.waitUntil(lambda: listed() == ["new", "Starter (no training)"])
    assert models.currentText().endswith("new"), "the one that was chosen is deleted"
