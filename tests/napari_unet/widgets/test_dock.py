from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QTabBar

PLUGIN = "napari-unet-mindspore"


def test_docks_are_tabs_of_one_place_with_the_newest_in_front(viewer: Viewer, qtbot: QtBot) -> None:
    for name in ("Train", "Runs", "Predict", "Evaluate"):
        frame, _ = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    window = frame.parent()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(frame)) == 3)

    def front() -> list[str]:
        bars = [bar for bar in window.findChildren(QTabBar) if bar.count() == 4]
        return [bar.tabText(bar.currentIndex()) for bar in bars]

    qtbot.waitUntil(lambda: front() == ["Evaluate"])
