"""Painting strokes of classes that a person names, in a real viewer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QLineEdit, QPushButton, QTableView

from napari_unet.layers.class_layers import layer_classes
from napari_unet.widgets.annotate.dock import AnnotateDock
from napari_unet.widgets.train.form import TrainingForm
from tests.stack_files import read_label_note
from training.label_classes import LabelClasses

PLUGIN = "napari-unet-mindspore"
NAMES = "inside, membrane, mitochondria"
Button = Callable[..., QPushButton]


@pytest.fixture
def strokes(viewer: Viewer, dock: AnnotateDock, button: Button, qtbot: QtBot) -> Labels:
    qtbot.keyClicks(dock.findChild(QLineEdit), NAMES)
    qtbot.mouseClick(button(dock, "New"), Qt.MouseButton.LeftButton)
    return viewer.layers["tissue strokes"]


def text(dock: AnnotateDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def test_a_key_takes_the_brush_of_each_class_and_they_are_counted(
    viewer: Viewer,
    dock: AnnotateDock,
    strokes: Labels,
    button: Button,
    drag: Callable,
    qtbot: QtBot,
) -> None:
    assert layer_classes(strokes) == LabelClasses.parse(f"{NAMES},unknown=0")
    viewer.dims.set_current_step(0, 3)
    canvas = viewer.window._qt_viewer.canvas.native
    for value, key in ((1, Qt.Key.Key_1), (2, Qt.Key.Key_2), (3, Qt.Key.Key_3)):
        qtbot.keyClick(canvas, key)
        drag(strokes, (10 * value, 10), (10 * value, 60))
        assert (strokes.data[3, 10 * value, 12:58] == value).all()
    assert button(dock, "Mitochondria  (3)").isChecked()
    table = dock.findChild(QTableView).model()
    counted = [3, *((strokes.data[3] == value).sum() for value in (1, 2, 3))]
    qtbot.waitUntil(lambda: [table.index(0, column).data() for column in range(4)] == counted)
    assert f"{counted[3]} of mitochondria, on 1 slice" in text(dock)
    qtbot.keyClick(canvas, Qt.Key.Key_E)
    drag(strokes, (30, 10), (30, 60))
    qtbot.waitUntil(lambda: "Paint some mitochondria as well" in text(dock))


def test_train_takes_them_with_their_names_and_files_keep_these(
    viewer: Viewer,
    dock: AnnotateDock,
    strokes: Labels,
    button: Button,
    qtbot: QtBot,
    tmp_path: Path,
    save_as: Callable[..., object],
) -> None:
    for value in (1, 2, 3):
        strokes.paint((3, 10 * value, 30), value)
    button(dock, "Train on these").click()
    _, train = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    assert train.findChild(TrainingForm).classes == layer_classes(strokes)
    target = tmp_path / "strokes.tif"
    save_as(target)
    button(dock, "Save labels…").click()
    qtbot.waitUntil(target.exists)
    assert read_label_note(target).classes == layer_classes(strokes)
    (opened,) = viewer.open(target, plugin=PLUGIN)
    assert layer_classes(opened) == layer_classes(strokes)
    np.testing.assert_array_equal(opened.data, strokes.data)


def test_what_is_no_list_of_names_is_said(
    viewer: Viewer, dock: AnnotateDock, button: Button, qtbot: QtBot
) -> None:
    qtbot.keyClicks(dock.findChild(QLineEdit), "a,a")
    qtbot.mouseClick(button(dock, "New"), Qt.MouseButton.LeftButton)
    assert "Two classes have the same name or value" in text(dock)
    assert "tissue strokes" not in viewer.layers
