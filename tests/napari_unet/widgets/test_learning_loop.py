"""The whole loop in a real viewer: annotate, train, predict, correct, learn on, compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_unet.layers.plugin_layers import corrected_slices
from napari_unet.runs.run_list import list_runs
from napari_unet.settings import Settings, remember
from tests.stack_files import read_label_note
from training.runs.run_state import load_state
from training.stacks.synthetic import synthetic_stack

PLUGIN = "napari-unet-mindspore"
PATIENCE = 120_000  # milliseconds; processes that import MindSpore on a busy machine
Button = Callable[..., QPushButton]
Drag = Callable[..., None]


@pytest.fixture
def images() -> np.ndarray:
    return synthetic_stack(slices=6, size=64)[0]


@pytest.fixture
def membrane() -> np.ndarray:
    return synthetic_stack(slices=6, size=64)[1] == 0


@pytest.fixture
def runs_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    remember(Settings(runs_folder=str(folder)))
    return folder


def text(dock: QWidget) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def test_annotate_train_predict_correct_learn_on(
    viewer: Viewer,
    membrane: np.ndarray,
    runs_folder: Path,
    drag: Drag,
    button: Button,
    qtbot: QtBot,
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native

    def open_dock(name: str) -> QWidget:
        return viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]

    def click(dock: QWidget, name: str) -> None:
        qtbot.waitUntil(lambda: button(dock, name).isEnabled(), timeout=PATIENCE)
        qtbot.mouseClick(button(dock, name), Qt.MouseButton.LeftButton)

    annotate = open_dock("Annotate")
    click(annotate, "New")
    strokes: Labels = viewer.layers["tissue strokes"]
    for z in (0, 2, 4):
        viewer.dims.set_current_step(0, z)
        for key, is_membrane in ((Qt.Key.Key_A, True), (Qt.Key.Key_S, False)):
            qtbot.keyClick(canvas, key)
            row = _row(membrane[z], is_membrane)
            drag(strokes, (row, 8), (row, 56))
    qtbot.waitUntil(lambda: "on 3 slices" in text(annotate))
    click(annotate, "Train on these")

    train = open_dock("Train")
    qtbot.waitUntil(lambda: "of what is labelled" in text(train), timeout=PATIENCE)
    train.form.set_value("steps", 4)
    train.form.set_value("eval_interval", 1)
    click(train, "Start")
    qtbot.waitUntil(lambda: "Finished" in text(train), timeout=PATIENCE)
    (first,) = list_runs(runs_folder)
    config = first.run.read_config()
    assert config.label_convention == "sparse"
    assert read_label_note(Path(config.labels)).convention == "sparse"

    predict = open_dock("Predict")
    predict.use_model(first.run.path)
    click(predict, "Predict all slices")
    qtbot.waitUntil(lambda: "6 slices in" in text(predict), timeout=PATIENCE)

    correct = open_dock("Correct")
    mask: Labels = viewer.layers["tissue mask"]
    viewer.layers.selection.active = mask
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: "1 of" in text(correct))
    viewer.reset_view()
    for z in (1, 5):
        viewer.dims.set_current_step(0, z)
        qtbot.keyClick(canvas, Qt.Key.Key_A)
        wrong = np.nonzero(mask.data[z] != membrane[z])  # a person with a very steady hand
        mask.data_setitem((np.full(len(wrong[0]), z), *wrong), membrane[z][wrong].astype(np.uint8))
        drag(mask, (30, 10), (30, 12))
        qtbot.keyClick(canvas, Qt.Key.Key_C)
    assert corrected_slices(mask) == [1, 5]
    click(correct, "Keep training")
    qtbot.waitUntil(lambda: "Dice on held-out" in text(correct), timeout=PATIENCE)
    assert corrected_slices(strokes) == [1, 5]
    newest, old = list_runs(runs_folder)
    assert old.run.path == first.run.path and old.run.best.exists()
    comparison = load_state(newest.run.events).comparison
    assert comparison is not None and comparison["after"]["soft_dice"] > 0
    assert newest.run.read_config().weights == str(old.run.path)


def _row(membrane: np.ndarray, is_membrane: bool) -> int:
    """The row with the most pixels of a kind."""
    counts = (membrane == is_membrane)[4:-4].sum(axis=1)
    return int(counts.argmax()) + 4
