"""Opening and closing docks leaves nothing behind: no thread, file, process, object, callback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

from napari_unet.settings import Settings, remember
from napari_unet.widgets.runs.device_log import DeviceLogWindow
from napari_unet.widgets.servers.dialog import ServerDialog
from tests.faults.many_events import append_steps, new_run
from tests.faults.scale import scaled
from tests.faults.window.census import growth, take_census, wait_for_threads
from training.runs.run_directory import RunDirectory

PLUGIN = "napari-unet-mindspore"
DOCKS = (
    *("Project", "Annotate", "Train", "Runs", "Predict", "Correct", "Evaluate"),
    *("Measure", "Neurons"),
)


@pytest.fixture
def masks(viewer: Viewer, membrane: np.ndarray) -> None:
    """A mask and its truth, for docks that look at both."""
    place = {"scale": (50, 4, 4), "units": ("nm",) * 3}
    for name in ("tissue mask", "truth"):
        viewer.add_labels(membrane.astype(np.uint8), name=name, **place)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = new_run(tmp_path / "runs" / "one", 100)
    append_steps(run, 1, 100)
    remember(Settings(runs_folder=str(run.path.parent)))
    return run


def open_and_close(viewer: Viewer, run: RunDirectory, qtbot: QtBot) -> None:
    """Every dock, and the windows that docks open."""
    docks = [viewer.window.add_plugin_dock_widget(PLUGIN, name) for name in DOCKS]
    windows = [DeviceLogWindow(run, docks[0][1]), ServerDialog(parent=docks[0][1])]
    for window in windows:
        window.show()
    wait_for_threads(qtbot)
    for window in windows:
        window.close()
        window.deleteLater()
    for frame, dock in docks:
        with qtbot.waitSignal(dock.destroyed, timeout=60_000):
            QTimer.singleShot(0, frame.destroyOnClose)


@pytest.mark.usefixtures("masks")
def test_docks_leave_nothing_behind(viewer: Viewer, run: RunDirectory, qtbot: QtBot) -> None:
    open_and_close(viewer, run, qtbot)  # what is made once and kept is made by then
    before = take_census(viewer, qtbot)
    times = 1 + scaled(1)
    for _ in range(times):
        open_and_close(viewer, run, qtbot)

    def nothing_has_grown() -> None:
        found = growth(before, take_census(viewer, qtbot))
        print(f"opened and closed {times} times: {found}")
        # A single object may outlive its dock for a while; a leak comes with every opening.
        assert {name: more for name, more in found.items() if more >= max(2, times // 20)} == {}

    qtbot.waitUntil(nothing_has_grown)
