"""Every dock in windows of several sizes, opened by the menu, and full of what people have."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QPushButton, QTabBar, QTabWidget

from napari_unet.layers.plugin_layers import add_sparse_labels
from napari_unet.settings import Settings, remember
from napari_unet.widgets.common import dock as common_dock
from napari_unet.widgets.common.dock import Dock, open_dock
from tests.napari_unet.widgets.layout_faults import faults_of, tab_faults
from training.config import preset_config
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

Button = Callable[..., QPushButton]
IS_DENSE = os.environ.get("QT_SCALE_FACTOR") == "2"
SIZES = ((1024, 700),) if IS_DENSE else ((1280, 800), (1024, 700), (1920, 1080))
NAMES = (
    *("Train", "Predict", "Evaluate", "Measure", "Annotate", "Correct", "Neurons", "Runs"),
    "Project",
)
PAGES = {"set up": 0, "progress": 1}  # of Train
FIGURES = {"dice": 0.8161, "soft_dice": 0.9347, "iou": 0.6893, "precision": 0.8, "recall": 0.83}


@pytest.fixture
def window(
    make_napari_viewer: Callable[..., Viewer],
    images: np.ndarray,
    membrane: np.ndarray,
    write_model: Callable[..., Path],
    tmp_path: Path,
    button: Button,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Viewer]:
    """All docks, over a volume with labels, strokes and a mask, while a training is running."""
    runs = tmp_path / "runs"
    remember(Settings(runs_folder=str(runs)))
    # The windows are larger than a tests' screen of twice the density.
    monkeypatch.setattr(common_dock, "BESIDE", -max(SIZES)[0])
    for name in ("first", "second"):
        model = write_run(runs / name, is_running=False)
        model.onnx.write_bytes(write_model(fold=1).read_bytes())
    with training(runs / "third"):
        viewer = make_napari_viewer(show=True)
        image = viewer.add_image(images, name="train-volume", scale=(50, 4, 4), units=["nm"] * 3)
        viewer.add_labels(membrane.astype(np.uint8), name="train-labels", scale=(50, 4, 4))
        strokes = np.zeros(images.shape, np.uint8)
        strokes[2, 20:40, 20], strokes[2, 20:40, 60] = 1, 2
        add_sparse_labels(viewer, strokes, image, "train-volume strokes")
        viewer.add_shapes([[40, 40], [120, 240]], shape_type="rectangle", units=["nm"] * 2)
        open_all(viewer, qtbot)
        predict_and_correct(viewer, model.path, button, qtbot)
        yield viewer


def write_run(path: Path, *, is_running: bool) -> RunDirectory:
    run = RunDirectory(path)
    run.create(preset_config("compact", data_url="/data/isbi"))
    log = EventLog(run.events)
    started = {"first_step": 0, "total_steps": 576, "total_epochs": 24, "world_size": 1}
    log.append("started", device="CPU", valid_slices=[2, 4], validation=HELD_OUT, **started)
    for step in range(1, 241):
        values = {"lr": 1e-3, "images_per_second": 57.3}
        log.append("step", step=step, epoch=1 + step // 24, loss=20 / (step + 20), **values)
        if step % 24 == 0:
            slices = [{"slice": index, **FIGURES} for index in (2, 4)]
            log.append("evaluated", step=step, epoch=step // 24, mean=FIGURES, slices=slices)
    if not is_running:
        log.append("finished", step=240, seconds=71.3)
    log.close()
    return run


HELD_OUT = "Slices 2 and 4 are held out for validation."


@contextmanager
def training(path: Path) -> Iterator[None]:
    """A run that this process holds, as if it trained in it, and that Train follows."""
    write_run(path, is_running=True)
    remember(Settings(followed_run=str(path)))
    with RunDirectory(path).hold():
        yield


def open_all(viewer: Viewer, qtbot: QtBot) -> None:
    window = viewer.window._qt_window
    for name in NAMES:
        entry(viewer, name).trigger()
        qtbot.waitUntil(lambda name=name: not dock_of(viewer, name).visibleRegion().isEmpty())
    frame = dock_of(viewer, NAMES[-1]).parentWidget()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(frame)) == len(NAMES) - 1)


def entry(viewer: Viewer, name: str) -> Any:
    """A dock's entry in the plugin's part of the menu Plugins."""
    menus = [action.menu() for action in viewer.window.plugins_menu.actions() if action.menu()]
    entries = [action for menu in menus for action in menu.actions()]
    return next(action for action in entries if action.text().startswith(f"{name} ("))


def dock_of(viewer: Viewer, name: str) -> Dock:
    frames = viewer.window._qt_window.findChildren(QDockWidget)
    return next(frame.widget() for frame in frames if frame.windowTitle().startswith(name))


def predict_and_correct(viewer: Viewer, model: Path, button: Button, qtbot: QtBot) -> None:
    predict: Any = open_dock(viewer, "Predict")
    predict.predict_all(model, viewer.layers["train-volume"], lambda mask: None)
    qtbot.waitUntil(lambda: "slices in" in text(predict))
    mask = next(layer for layer in viewer.layers if layer.name.endswith("mask"))
    for index in (3, 5):
        viewer.dims.set_current_step(0, index)
        mask.paint((index, 20, 20), 1)
    button(dock_of(viewer, "Correct"), "Mark slice 5 as correct").click()
    train = dock_of(viewer, "Train")
    qtbot.waitUntil(lambda: "240 of 576" in text(train) and "Membrane" in text(train))
    runs = dock_of(viewer, "Runs")
    qtbot.waitUntil(lambda: any(button.isEnabled() for button in runs.findChildren(QPushButton)))


def text(dock: Dock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def settle() -> None:
    """Let layouts follow each other until all have what they ask for."""
    for _ in range(5):
        QApplication.sendPostedEvents()
        QApplication.processEvents()


def states(viewer: Viewer) -> Iterator[tuple[str, Dock]]:
    """Bring one dock after the other to the front, Train with each of its pages."""
    for name in NAMES:
        dock = dock_of(viewer, name)
        dock.come_to_front()
        for page, index in PAGES.items() if name == "Train" else [("", 0)]:
            if page:
                dock.findChild(QTabWidget).setCurrentIndex(index)
            settle()
            yield f"{name} {page}".rstrip(), dock


def faults_at(viewer: Viewer, width: int, height: int) -> list[str]:
    window = viewer.window._qt_window
    window.resize(width, height)
    settle()
    faults = []
    for state, dock in states(viewer):
        folder = os.environ.get("NAPARI_UNET_PICTURES")
        if folder:
            window.grab().save(f"{folder}/{state.replace(' ', '-')}-{width}x{height}.png")
        size = (window.width(), window.height())
        if size != (width, height):
            faults.append(f"{state}: the window has grown to {size}")
        faults += [f"{state}: {fault}" for fault in faults_of(dock)]
    for bar in window.findChildren(QTabBar):
        if bar.count() == len(NAMES) and bar.isVisible():
            faults += tab_faults(bar)
    return [f"{width} x {height}: {fault}" for fault in dict.fromkeys(faults)]


def test_nothing_is_cut_hidden_or_overlapping(window: Viewer) -> None:
    faults = [fault for size in SIZES for fault in faults_at(window, *size)]
    assert not faults, "\n".join(faults)


@pytest.mark.skipif(IS_DENSE, reason="this is the screen of twice the density")
def test_nor_is_it_on_a_screen_of_twice_the_density() -> None:
    this = f"{Path(__file__)}::{test_nothing_is_cut_hidden_or_overlapping.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", this]
    environment = {**os.environ, "QT_SCALE_FACTOR": "2"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
