"""The window under load: many runs, a stack of many slices, many writers."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tifffile
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel, QTableView

from napari_unet.settings import Settings, remember
from napari_unet.widgets.runs.device_log import DeviceLogWindow
from napari_unet.widgets.runs.dock import RunsDock
from napari_unet.widgets.train.dock import TrainDock
from tests.faults.many_events import append_steps, new_run
from tests.faults.scale import scaled

PROGRAM = Path(__file__).with_name("log_writer.py")
PLUGIN = "napari-unet-mindspore"
TICK = 5  # milliseconds
MB = 2**20


class Stalls:
    """How long the window's thread was busy at once, at most, while this was in use."""

    def __enter__(self) -> Stalls:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer(interval=TICK)
        self._timer.timeout.connect(self._on_tick)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.stop()

    def _on_tick(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, 1000 * (now - self._last) - TICK)
        self._last = now


def test_many_runs_are_listed_and_only_what_changed_is_shown_anew(
    make_napari_viewer: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    count = min(scaled(20), 200)
    runs = [new_run(tmp_path / f"run {number}", 100) for number in range(count)]
    remember(Settings(runs_folder=str(tmp_path)))
    dock = RunsDock(make_napari_viewer(show=True))
    qtbot.addWidget(dock)
    dock.show()
    table = dock.findChild(QTableView)
    model = table.model().sourceModel()
    with Stalls() as opening:
        qtbot.waitUntil(lambda: model.rowCount() == count)
        QApplication.processEvents()
    resets, changes = [], []
    model.modelReset.connect(lambda: resets.append(1))
    model.dataChanged.connect(lambda first, last: changes.append((first.row(), last.row())))
    append_steps(runs[0], 1, 10)
    with Stalls() as refreshing:
        qtbot.waitUntil(lambda: len(changes) == 1)
    print(f"{count} runs: longest stall {opening.longest:.0f} ms, {refreshing.longest:.0f} ms")
    ((first, last),) = changes
    assert (first, resets) == (last, [])
    assert model.summary(first).run.name == "run 0"


def test_a_stack_of_many_slices_is_opened_and_scrolled_in_little_memory(
    make_napari_viewer: Any, tmp_path: Path
) -> None:
    """Four gigabytes where the scale is 100; the file is sparse."""
    slices, side = 10_000, 64 if scaled(1) < 100 else 648
    path = tmp_path / "many.tif"
    pages = tifffile.memmap(path, shape=(slices, side, side), dtype=np.uint8, bigtiff=True)
    shown = np.linspace(0, slices - 1, 41).round().astype(int)
    random = np.random.default_rng(0)
    for index in shown:
        pages[index] = random.integers(0, 256, (side, side))
    del pages
    viewer = make_napari_viewer(show=True)
    before = psutil.Process().memory_info().rss
    clock = time.perf_counter()
    (layer,) = viewer.open(path, plugin=PLUGIN)
    print(f"{path.stat().st_size / MB:.0f} MB opened in {time.perf_counter() - clock:.2f} s")
    stack = tifffile.memmap(path, mode="r")
    for index in shown:
        viewer.dims.set_current_step(0, index)
        QApplication.processEvents()
        np.testing.assert_array_equal(np.asarray(layer.data[index]), stack[index])
        assert layer._slice.image.raw.shape == (side, side)
    grown = psutil.Process().memory_info().rss - before
    print(f"memory grew by {grown / MB:.0f} MB")
    assert grown < 300 * MB


def test_eight_workers_write_while_the_window_reads(
    make_napari_viewer: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    workers, lines = 8, min(scaled(300), 5000)
    run = new_run(tmp_path / "runs" / "run", lines)
    remember(Settings(runs_folder=str(run.path.parent)))
    viewer = make_napari_viewer(show=True)
    dock: TrainDock = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")[1]
    for rank in range(workers):
        run.device_log(rank).parent.mkdir(parents=True)
        run.device_log(rank).touch()
    arguments = [
        [sys.executable, PROGRAM, run.path, str(rank), str(lines)] for rank in range(workers)
    ]
    processes = [subprocess.Popen(command) for command in arguments]
    qtbot.waitUntil(run.is_running)
    dock.follow(run)
    window = DeviceLogWindow(run, dock)
    window.show()
    window.choose(workers - 1)
    with Stalls() as stalls:
        qtbot.waitUntil(lambda: all(process.poll() == 0 for process in processes))
        qtbot.waitUntil(lambda: window.text().endswith(f"line {lines} of device {workers - 1}\n"))
        qtbot.waitUntil(lambda: "Finished" in texts(dock))
    print(f"{workers} workers, {lines} lines each: longest stall {stalls.longest:.0f} ms")
    assert f"{lines} of {lines}" in texts(dock)
    window.close()


def texts(dock: TrainDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))
