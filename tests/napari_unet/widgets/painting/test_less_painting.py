"""Polygons, interpolation and copies by clicks and keys in a real viewer."""

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton

from napari_unet.widgets.annotate.dock import AnnotateDock
from napari_unet.widgets.painting import pixel_setting
from napari_unet.widgets.painting.less_painting import LessPainting
from tests.napari_unet.widgets.conftest import on_canvas

Button = Callable[..., QPushButton]
Drag = Callable[..., None]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dock(viewer: Viewer) -> AnnotateDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Annotate")
    return dock


@pytest.fixture
def strokes(viewer: Viewer, dock: AnnotateDock, button: Button, qtbot: QtBot) -> Labels:
    qtbot.mouseClick(button(dock, "New"), LEFT)
    return viewer.layers["tissue strokes"]


def said(dock: AnnotateDock) -> str:
    less = dock.findChild(LessPainting)
    return " ".join(label.text() for label in less.findChildren(QLabel))


def test_a_gap_between_strokes_is_filled_and_undone_in_one_step(
    viewer: Viewer,
    dock: AnnotateDock,
    strokes: Labels,
    button: Button,
    drag: Drag,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pixel_setting, "PIECE", 100)  # so that there are several
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.mouseClick(button(dock, "Inside  (S)"), LEFT)
    strokes.brush_size = 12
    for index, row in ((1, 20), (5, 40)):
        viewer.dims.set_current_step(0, index)
        drag(strokes, (row, 20), (row, 50))
    painted = strokes.data.copy()
    qtbot.keyClick(canvas, Qt.Key.Key_I)
    qtbot.waitUntil(lambda: "Inside: slices 2 to 4 filled" in said(dock))
    assert str(strokes.mode) == "paint"  # the brush stays in hand
    assert [index for index, page in enumerate(strokes.data) if (page == 2).any()] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert (strokes.data[3, 30, 20:50] == 2).all() and not strokes.data[3, [20, 40]].any()
    assert (strokes.data[[1, 5]] == painted[[1, 5]]).all()
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (strokes.data == painted).all()
    assert "filled" not in said(dock), "Ctrl-Z would undo something else now"
    qtbot.mouseClick(button(dock, "Interpolate  (I)"), LEFT)
    qtbot.waitUntil(lambda: "filled" in said(dock))
    assert strokes.data[3].any()
    drag(strokes, (60, 20), (60, 50))
    assert "filled" not in said(dock)


def test_the_slice_before_is_copied_and_undone_in_one_step(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, drag: Drag, qtbot: QtBot
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.dims.set_current_step(0, 2)
    drag(strokes, (15, 10), (15, 60))
    viewer.dims.set_current_step(0, 3)
    qtbot.keyClick(canvas, Qt.Key.Key_S)
    drag(strokes, (5, 30), (25, 30))  # crosses it
    painted = strokes.data.copy()
    qtbot.keyClick(canvas, Qt.Key.Key_A)
    qtbot.keyClick(canvas, Qt.Key.Key_C)
    qtbot.waitUntil(lambda: "Membrane: slice 3 filled" in said(dock))
    wanted = np.where(painted[3] == 0, painted[2], painted[3])
    assert (strokes.data[3] == wanted).all() and (wanted == 1).any() and (wanted == 2).any()
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (strokes.data == painted).all()
    viewer.dims.set_current_step(0, 5)
    qtbot.mouseClick(button(dock, "Copy slice  (C)"), LEFT)
    qtbot.waitUntil(lambda: "Slice 4, the one before, has nothing of Membrane" in said(dock))
    assert (strokes.data == painted).all()


@pytest.mark.parametrize("end", ["enter", "double click"])
def test_a_polygon_is_filled_and_undone_in_one_step(
    end: str, viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, qtbot: QtBot
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.dims.set_current_step(0, 4)
    qtbot.keyClick(canvas, Qt.Key.Key_S)
    qtbot.mouseClick(button(dock, "Polygon  (W)"), LEFT)
    assert button(dock, "Inside  (S)").isChecked() and button(dock, "Polygon  (W)").isChecked()
    assert "fills the area with Inside" in said(dock)
    corners = [(10, 10), (10, 50), (40, 50), (40, 10)]
    for corner in corners:
        place = on_canvas(viewer, strokes, corner)
        qtbot.mouseMove(canvas, place)
        qtbot.mouseClick(canvas, LEFT, pos=place)
    if end == "enter":
        qtbot.keyClick(canvas, Qt.Key.Key_Return)
    else:
        qtbot.mouseDClick(canvas, LEFT, pos=on_canvas(viewer, strokes, corners[-1]))
    assert (strokes.data[4, 12:39, 12:49] == 2).all()
    assert not strokes.data[4, 43:].any() and not strokes.data[4, :, 53:].any()
    assert not np.delete(strokes.data, 4, axis=0).any()
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not strokes.data.any()
    qtbot.keyClick(canvas, Qt.Key.Key_W)
    assert str(strokes.mode) == "paint" and not button(dock, "Polygon  (W)").isChecked()


def test_a_polygon_is_filled_on_the_slice_where_it_is_seen(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, drag: Drag, qtbot: QtBot
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.mouseClick(button(dock, "Polygon  (W)"), LEFT)
    for index, corner in ((2, (10, 10)), (2, (10, 50)), (3, (40, 50)), (4, (40, 10))):
        viewer.dims.set_current_step(0, index)
        drag(strokes, corner, corner)
    viewer.dims.set_current_step(0, 5)
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert (strokes.data[5, 12:39, 12:49] == 1).all()
    assert not np.delete(strokes.data, 5, axis=0).any()


def test_a_polygon_of_another_layer_is_not_shown_in_hand(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, qtbot: QtBot
) -> None:
    polygon = button(dock, "Polygon  (W)")
    qtbot.mouseClick(polygon, LEFT)
    viewer.layers.selection.active = viewer.layers["tissue"]
    assert not polygon.isChecked()
    viewer.layers.selection.active = strokes
    assert polygon.isChecked()


def test_what_is_drawn_around_is_filled_and_undone_in_one_step(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, drag: Drag, qtbot: QtBot
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.dims.set_current_step(0, 4)
    qtbot.keyClick(canvas, Qt.Key.Key_S)
    qtbot.keyClick(canvas, Qt.Key.Key_W)
    drag(strokes, (10, 10), (10, 50), (40, 50), (40, 10))
    assert (strokes.data[4, 12:39, 12:49] == 2).all()
    assert not strokes.data[4, 43:].any() and not strokes.data[4, :, 53:].any()
    assert not np.delete(strokes.data, 4, axis=0).any()
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not strokes.data.any()
    drag(strokes, (10, 10), (10, 10))  # a click begins a polygon of corners
    drag(strokes, (10, 50), (40, 50))
    assert not strokes.data.any()
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert strokes.data[4, 15, 45] == 2 and not strokes.data[4, 35, 15]


def test_what_strokes_that_are_not_in_memory_do_not_take_is_told(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, qtbot: QtBot
) -> None:
    strokes.paint((2, 30, 30), 1)
    strokes.data = da.from_array(strokes.data, chunks=(1, *strokes.data.shape[1:]))
    viewer.dims.set_current_step(0, 3)
    qtbot.mouseClick(button(dock, "Copy slice  (C)"), LEFT)
    qtbot.waitUntil(lambda: "'tissue strokes' is not in memory" in said(dock))


def test_what_a_view_does_not_allow_is_told_and_nothing_is_painted(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, qtbot: QtBot
) -> None:
    strokes.paint((1, 30, 30), 1)
    strokes.paint((4, 30, 30), 1)
    painted = strokes.data.copy()
    viewer.dims.order = (1, 0, 2)  # slices along Y
    qtbot.mouseClick(button(dock, "Interpolate  (I)"), LEFT)
    assert "does not show a slice along Z" in said(dock)
    viewer.dims.order = (0, 1, 2)
    strokes.selected_label = 0
    qtbot.mouseClick(button(dock, "Copy slice  (C)"), LEFT)
    assert "The chosen label is 0" in said(dock)
    strokes.selected_label, strokes.n_edit_dimensions = 1, 3
    qtbot.mouseClick(button(dock, "Polygon  (W)"), LEFT)
    assert "painted in 3 dimensions" in said(dock)
    assert not button(dock, "Polygon  (W)").isChecked()
    assert (strokes.data == painted).all()


def test_labels_that_were_replaced_meanwhile_are_left_alone(
    viewer: Viewer, dock: AnnotateDock, strokes: Labels, button: Button, qtbot: QtBot
) -> None:
    strokes.data[[1, 4], 20:30, 20:30] = 1
    viewer.dims.set_current_step(0, 2)
    qtbot.mouseClick(button(dock, "Interpolate  (I)"), LEFT)
    strokes.data = strokes.data.copy()
    qtbot.waitUntil(lambda: "got other pixels meanwhile" in said(dock))
    assert not strokes.data[2:4].any()


@pytest.mark.parametrize("kind", [np.asarray, zarr.array], ids=["numpy", "zarr"])
def test_it_works_on_any_labels_under_their_number(
    kind: Callable[..., Any], viewer: Viewer, button: Button, qtbot: QtBot
) -> None:
    data = np.zeros((7, 120, 160), np.int64)
    data[[1, 3], 20:30, 20:30] = 70_000
    layer = viewer.add_labels(kind(data), name="neurons", scale=(50, 4, 4), units=("nm",) * 3)
    less = LessPainting(viewer)
    qtbot.addWidget(less)
    less.hold(layer)
    layer.selected_label = 70_000
    viewer.dims.set_current_step(0, 2)
    qtbot.mouseClick(button(less, "Interpolate  (I)"), LEFT)
    qtbot.waitUntil(lambda: (layer.data[2] == data[1]).all())
    layer.undo()
    data[2] = 0
    assert (np.asarray(layer.data) == data).all()
    less.hold(None)
    assert not less.isEnabled()
