"""Painting sparse labels by clicks and brush strokes in a real viewer."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QTableView

from napari_unet.labelling.label_counts import LabelCounts
from napari_unet.layers.plugin_layers import is_sparse_layer
from napari_unet.settings import load_settings
from napari_unet.widgets.annotate.dock import AnnotateDock
from tests.stack_files import read_label_note
from tests.training.stacks.indexed_pixels import IndexedPixels

PLUGIN = "napari-unet-mindspore"
Button = Callable[..., QPushButton]
Drag = Callable[..., None]
FailOnce = Callable[..., Callable[[], bool]]


@pytest.fixture
def strokes(viewer: Viewer, dock: AnnotateDock, button: Button, qtbot: QtBot) -> Labels:
    """An empty layer, made by the dock's own button."""
    qtbot.mouseClick(button(dock, "New"), Qt.MouseButton.LeftButton)
    return viewer.layers["tissue strokes"]


def text(dock: AnnotateDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def rows(dock: AnnotateDock) -> list[tuple[int, int, int]]:
    model = dock.findChild(QTableView).model()
    return [
        tuple(model.index(row, column).data() for column in range(3))
        for row in range(model.rowCount())
    ]


def counted(labels: Labels) -> list[tuple[int, int, int]]:
    return [
        (z, int((page == 1).sum()), int((page == 2).sum()))
        for z, page in enumerate(labels.data)
        if page.any()
    ]


def test_strokes_are_painted_by_button_and_brush(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, drag: Drag, qtbot: QtBot
) -> None:
    assert is_sparse_layer(strokes) and not strokes.data.any()
    viewer.dims.set_current_step(0, 3)
    drag(strokes, (15, 10), (15, 60))
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_S)
    assert button(dock, "Inside  (S)").isChecked()
    drag(strokes, (40, 10), (40, 30))
    assert set(np.unique(strokes.data[3])) == {0, 1, 2}
    assert (strokes.data[3, 15, 12:58] == 1).all() and (strokes.data[3, 40, 12:28] == 2).all()
    qtbot.waitUntil(lambda: rows(dock) == counted(strokes))
    qtbot.keyClick(canvas, Qt.Key.Key_E)
    drag(strokes, (40, 10), (40, 30))
    qtbot.waitUntil(lambda: rows(dock) == counted(strokes))
    strokes.undo()
    strokes.undo()
    strokes.undo()
    qtbot.waitUntil(lambda: rows(dock) == [])
    assert not strokes.data.any()


def test_an_undo_on_another_slice_is_counted(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, qtbot: QtBot
) -> None:
    strokes.paint((5, 30, 30), 1)
    qtbot.waitUntil(lambda: rows(dock) == counted(strokes) != [])
    viewer.dims.set_current_step(0, 0)
    strokes.undo()
    qtbot.waitUntil(lambda: rows(dock) == [])


def test_too_little_is_reported_in_words(dock: AnnotateDock, strokes: Labels, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: "a few strokes of each" in text(dock))
    strokes.brush_size = 30
    strokes.paint((2, 30, 30), 1)
    qtbot.waitUntil(lambda: "Paint some inside as well" in text(dock))
    strokes.paint((2, 30, 60), 2)
    qtbot.waitUntil(lambda: "Only one slice" in text(dock))
    strokes.paint((5, 30, 60), 2)
    qtbot.waitUntil(lambda: "Enough to train on" in text(dock))


def test_a_row_goes_to_its_slice(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, qtbot: QtBot
) -> None:
    for z in (1, 5):
        strokes.paint((z, 30, 30), 1)
    qtbot.waitUntil(lambda: len(rows(dock)) == 2)
    table = dock.findChild(QTableView)
    cell = table.visualRect(table.model().index(1, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert viewer.dims.current_step[0] == 5


def test_labels_are_saved_with_their_note_and_opened_again(
    viewer: Viewer,
    dock: AnnotateDock,
    strokes: Labels,
    button: Button,
    qtbot: QtBot,
    tmp_path: Path,
    save_as: Callable[..., object],
) -> None:
    strokes.paint((2, 30, 30), 1)
    strokes.paint((2, 30, 60), 2)
    target = tmp_path / "strokes.tif"
    save_as(target)
    button(dock, "Save labels…").click()
    qtbot.waitUntil(target.exists)
    assert read_label_note(target).convention == "sparse"
    (opened,) = viewer.open(target, plugin=PLUGIN)
    assert is_sparse_layer(opened)
    np.testing.assert_array_equal(opened.data, strokes.data)
    np.testing.assert_array_equal(opened.scale, strokes.scale)


def test_train_takes_image_and_labels(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button
) -> None:
    other = viewer.add_labels(np.ones(strokes.data.shape, np.uint8), name="other")
    button(dock, "Train on these").click()
    _, train = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    data = train.data.data()
    assert (data.images.name, data.labels.name) == ("tissue", "tissue strokes")
    assert other in viewer.layers


def test_without_an_image_it_says_what_to_do(
    make_napari_viewer: Callable[..., Viewer], button: Button
) -> None:
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate")
    assert "Open an image stack first" in text(dock)
    assert not button(dock, "New").isEnabled()


def test_after_a_failed_count_all_slices_are_counted_with_the_next_edit(
    dock: AnnotateDock, strokes: Labels, fail_once: FailOnce, qtbot: QtBot
) -> None:
    strokes.paint((2, 30, 30), 1)
    qtbot.waitUntil(lambda: rows(dock) == counted(strokes))
    is_reported = fail_once(LabelCounts, "update")
    strokes.paint((3, 30, 30), 1)
    qtbot.waitUntil(is_reported)
    strokes.paint((5, 30, 30), 1)
    qtbot.waitUntil(lambda: rows(dock) == counted(strokes))


def test_labels_of_napari_s_own_button_are_painted_on_as_strokes(
    viewer: Viewer, dock: AnnotateDock, button: Button, qtbot: QtBot
) -> None:
    numbers = np.full((7, 61, 83), 9, np.uint8)
    viewer.add_labels(numbers, name="cells, not strokes")
    viewer.layers.selection.active = viewer.layers["tissue"]
    viewer._new_labels()
    mine = viewer.layers["tissue - Labels"]
    qtbot.waitUntil(lambda: choices(dock)["Labels"] == ["tissue - Labels"])
    assert is_sparse_layer(mine) and not is_sparse_layer(viewer.layers["cells, not strokes"])
    mine.paint((2, 30, 30), 2)
    qtbot.waitUntil(lambda: rows(dock) == counted(mine) != [])
    assert button(dock, "Train on these").isEnabled()


def test_a_person_s_own_labels_stay_what_they_are_until_they_are_chosen(
    viewer: Viewer, dock: AnnotateDock, qtbot: QtBot
) -> None:
    truth = viewer.add_labels(np.ones((7, 61, 83), np.uint8), name="truth")
    qtbot.waitUntil(lambda: choices(dock)["Labels"] == ["truth"])
    assert not is_sparse_layer(truth)
    combos = dock.findChildren(QComboBox)
    combo = next(combo for combo in combos if combo.count() and "truth" in combo.itemText(0))
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert is_sparse_layer(truth)


def test_who_saves_the_labels_is_said(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    strokes.paint((2, 30, 30), 2)
    qtbot.waitUntil(lambda: "No project is open: save them" in text(dock))
    _, project = viewer.window.add_plugin_dock_widget(PLUGIN, "Project")
    project.new_project(tmp_path / "project")
    qtbot.waitUntil(lambda: bool(load_settings().project))
    strokes.paint((3, 30, 30), 2)
    qtbot.waitUntil(lambda: "The project saves them" in text(dock))
    next(b for b in project.findChildren(QPushButton) if b.text() == "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)


def test_labels_that_were_painted_on_since_they_were_looked_at_are_no_strokes(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, qtbot: QtBot
) -> None:
    cells = viewer.add_labels(np.ones(strokes.data.shape, np.uint8), name="cells")
    qtbot.waitUntil(lambda: "cells" in choices(dock)["Labels"])
    cells.selected_label = 7
    cells.paint((2, 30, 30), 7)
    assert "cells" not in choices(dock)["Labels"]
    assert not is_sparse_layer(cells)


class SlowPixels(IndexedPixels):
    """Whole slices take until they are released; napari reads parts of them to draw."""

    def __init__(self, pixels: np.ndarray) -> None:
        super().__init__(pixels)
        self.is_released = threading.Event()
        self.readers: set[int] = set()

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, tuple) and len(key) == 1:
            self.readers.add(threading.get_ident())
            self.is_released.wait(60)
        return super().__getitem__(key)


def test_labels_that_are_read_slowly_keep_no_window_waiting(
    viewer: Viewer, dock: AnnotateDock, qtbot: QtBot
) -> None:
    pixels = SlowPixels(np.zeros((7, 61, 83), np.uint8))
    mine = viewer.add_labels(pixels, name="mine")
    assert viewer.layers.selection.active is mine
    qtbot.waitUntil(lambda: bool(pixels.readers))
    assert not is_sparse_layer(mine) and choices(dock)["Labels"] == []
    pixels.is_released.set()
    qtbot.waitUntil(lambda: is_sparse_layer(mine))
    assert choices(dock)["Labels"] == ["mine"]
    assert threading.get_ident() not in pixels.readers


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        ((2, 3, 40, 50), {}, "has 4 dimensions"),
        ((40, 50, 3), {"rgb": True}, "is a colour image"),
    ],
)
def test_why_an_image_is_not_offered_is_said(
    make_napari_viewer: Callable[..., Viewer],
    shape: tuple[int, ...],
    options: dict[str, bool],
    reason: str,
    shown: Callable[[QLabel], str],
) -> None:
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate")
    viewer.add_image(np.zeros(shape, np.uint8), name="mine", **options)
    assert f"mine' {reason}" in "\n".join(map(shown, dock.findChildren(QLabel)))


def choices(dock: AnnotateDock) -> dict[str, list[str]]:
    """What the drop-downs offer, by their names."""
    return {
        combo.accessibleName(): [combo.itemText(row) for row in range(combo.count())]
        for combo in dock.findChildren(QComboBox)
    }
