"""Correcting a mask with the mouse and keys in a real viewer."""

from collections.abc import Callable, Iterator
from threading import Event, current_thread, main_thread
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from napari import Viewer
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QLabel, QProgressDialog, QPushButton, QSpinBox

from napari_unet.layers.plugin_layers import (
    add_mask,
    add_probability,
    add_sparse_labels,
    corrected_slices,
    is_sparse_layer,
)
from napari_unet.widgets.correct import canvas_tools, region_tour, speck_removal
from napari_unet.widgets.correct.dock import CorrectDock
from napari_unet.widgets.correct.learn_on_view import LearnOnView
from napari_unet.widgets.correct.specks_view import SpecksView

PLUGIN = "napari-unet-mindspore"
Button = Callable[..., QPushButton]
Drag = Callable[..., None]
FailOnce = Callable[..., Callable[[], bool]]


@pytest.fixture
def probability(viewer: Viewer, membrane: np.ndarray) -> Image:
    """Sure of the membranes but for a place of slice 5."""
    data = membrane.astype(np.float32)
    data[5, 30:50, 10:30] = 0.5
    return add_probability(viewer, data, viewer.layers["tissue"], "probability")


@pytest.fixture
def mask(viewer: Viewer, membrane: np.ndarray, probability: Image) -> Labels:
    """The membranes, with a gap in the vertical one of slice 3, and two specks."""
    data = membrane.astype(np.uint8)
    data[3, 35:45] = 0
    data[3, 50:52, 5:7] = data[4, 50:52, 5:7] = 1
    return add_mask(viewer, data, viewer.layers["tissue"], "mask")


@pytest.fixture
def dock(viewer: Viewer, mask: Labels) -> CorrectDock:
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Correct")
    viewer.dims.set_current_step(0, 3)
    viewer.layers.selection.active = mask
    return dock


def text(dock: CorrectDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def press(viewer: Viewer, qtbot: QtBot, key: Qt.Key) -> None:
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, key)


def test_two_clicks_close_a_gap_in_one_step(
    viewer: Viewer, dock: CorrectDock, mask: Labels, drag: Drag, qtbot: QtBot
) -> None:
    before = mask.data.copy()
    press(viewer, qtbot, Qt.Key.Key_G)
    assert "Click one end" in text(dock)
    drag(mask, (33, 44), (33, 44))
    assert "Click the other end" in text(dock)
    drag(mask, (47, 44), (47, 44))
    qtbot.waitUntil(lambda: mask.data[3, 33:48].any(axis=1).all())
    np.testing.assert_array_equal(np.delete(mask.data, 3, 0), np.delete(before, 3, 0))
    mask.undo()
    np.testing.assert_array_equal(mask.data, before)
    press(viewer, qtbot, Qt.Key.Key_G)
    assert mask.mouse_pan


def test_gaps_that_are_clicked_while_another_is_traced_are_closed_too(
    viewer: Viewer,
    dock: CorrectDock,
    mask: Labels,
    drag: Drag,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    let_go = Event()
    find = canvas_tools.darkest_path

    def find_slowly(*ends: Any) -> object:
        assert let_go.wait(60)
        return find(*ends)

    monkeypatch.setattr(canvas_tools, "darkest_path", find_slowly)
    press(viewer, qtbot, Qt.Key.Key_G)
    ends = [((33, 44), (47, 44)), ((5, 8), (5, 12)), ((9, 8), (9, 12))]
    mask.data[3, 5:10, 8:13] = 0
    for start, end in ends:
        drag(mask, start, start)
        drag(mask, end, end)
    drag(mask, (20, 20), (20, 20))
    let_go.set()
    qtbot.waitUntil(lambda: all(mask.data[3][place] for pair in ends for place in pair))
    assert "Click the other end" in text(dock)  # of the next one, whose first end is clicked


def test_a_tool_is_shown_in_hand_only_while_the_canvas_uses_it(
    viewer: Viewer, dock: CorrectDock, mask: Labels, button: Button, qtbot: QtBot
) -> None:
    selection = viewer.layers.selection
    press(viewer, qtbot, Qt.Key.Key_G)
    gap, membrane = button(dock, "Close gap  (G)"), button(dock, "Membrane  (A)")
    assert gap.isChecked() and "Click one end" in text(dock)
    selection.active = viewer.layers["tissue"]
    assert not gap.isChecked() and "Click one end" not in text(dock)
    selection.active = mask
    assert gap.isChecked() and "Click one end" in text(dock)
    dock.findChild(QCheckBox).setChecked(True)
    press(viewer, qtbot, Qt.Key.Key_A)
    assert membrane.isChecked() and not gap.isChecked()
    selection.active = viewer.layers["tissue"]
    assert not membrane.isChecked()
    selection.active = mask
    assert membrane.isChecked()


def test_a_tool_goes_with_the_layer_that_it_needs(
    viewer: Viewer, dock: CorrectDock, mask: Labels, button: Button, qtbot: QtBot
) -> None:
    gap, membrane = button(dock, "Close gap  (G)"), button(dock, "Membrane  (A)")
    dock.findChild(QCheckBox).setChecked(True)
    press(viewer, qtbot, Qt.Key.Key_A)
    viewer.layers.remove("probability")
    viewer.layers.selection.active = mask
    assert not membrane.isChecked() and mask.mouse_pan
    press(viewer, qtbot, Qt.Key.Key_G)
    assert gap.isChecked()
    viewer.layers.remove("tissue")
    viewer.layers.selection.active = mask
    assert not gap.isChecked() and not gap.isEnabled()
    assert "Open the mask's image to close gaps." in text(dock)


def test_tools_that_work_on_slices_say_so_in_other_views(
    viewer: Viewer, dock: CorrectDock, mask: Labels, drag: Drag, qtbot: QtBot
) -> None:
    before = mask.data.copy()
    dock.findChild(QCheckBox).setChecked(True)
    for key in (Qt.Key.Key_G, Qt.Key.Key_A):
        viewer.dims.order = (0, 1, 2)
        press(viewer, qtbot, key)
        viewer.dims.order = (1, 0, 2)
        dock.message.tell("")
        drag(mask, (3, 20), (3, 50))
        assert "does not show a slice along Z" in text(dock)
    np.testing.assert_array_equal(mask.data, before)


def test_specks_are_counted_and_removed_here_and_everywhere(
    dock: CorrectDock, mask: Labels, button: Button, qtbot: QtBot
) -> None:
    before = mask.data.copy()
    qtbot.waitUntil(lambda: "1 here" in text(dock))
    qtbot.mouseClick(button(dock, "Remove here"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not mask.data[3, 50:52, 5:7].any())
    assert mask.data[4, 50:52, 5:7].all()
    qtbot.waitUntil(lambda: "0 here" in text(dock))
    mask.undo()
    qtbot.mouseClick(button(dock, "Remove in all"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not mask.data[4, 50:52, 5:7].any())
    assert not mask.data[3, 50:52, 5:7].any()
    mask.undo()
    np.testing.assert_array_equal(mask.data, before)


@pytest.fixture
def slow_search(monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Specks of slice 3 are found once one event is set; a search waits there for another."""
    has_read, let_go = Event(), Event()
    find = speck_removal.find_specks_of_stack

    def find_slowly(stack: Any, size: int, slices: list[int]) -> object:
        found = find(stack, size, slices)
        if 3 in slices:
            has_read.set()
            assert let_go.wait(60)
        return found

    monkeypatch.setattr(speck_removal, "find_specks_of_stack", find_slowly)
    return has_read, let_go


def test_what_is_painted_while_specks_are_looked_for_stays(
    viewer: Viewer,
    dock: CorrectDock,
    mask: Labels,
    slow_search: tuple[Event, Event],
    button: Button,
    drag: Drag,
    qtbot: QtBot,
) -> None:
    has_read, let_go = slow_search
    button(dock, "Remove in all").click()
    assert has_read.wait(60)
    press(viewer, qtbot, Qt.Key.Key_A)
    mask.brush_size = 3
    drag(mask, (51, 6), (51, 44))  # joins the speck to a membrane
    painted = mask.data.copy()
    let_go.set()
    qtbot.waitUntil(lambda: not mask.data[4, 50:52, 5:7].any())
    np.testing.assert_array_equal(mask.data[3], painted[3])
    assert button(dock, "Remove in all").isEnabled()
    mask.undo()
    np.testing.assert_array_equal(mask.data, painted)


def test_specks_of_a_mask_that_was_removed_are_left(
    viewer: Viewer,
    dock: CorrectDock,
    mask: Labels,
    slow_search: tuple[Event, Event],
    button: Button,
    qtbot: QtBot,
) -> None:
    has_read, let_go = slow_search
    before = mask.data.copy()
    button(dock, "Remove in all").click()
    assert has_read.wait(60)
    viewer.layers.remove(mask)
    let_go.set()
    qtbot.waitUntil(lambda: "'mask' was removed" in text(dock))
    np.testing.assert_array_equal(mask.data, before)


def test_a_snapped_stroke_paints_only_the_predicted_membrane(
    viewer: Viewer,
    dock: CorrectDock,
    mask: Labels,
    membrane: np.ndarray,
    drag: Drag,
    qtbot: QtBot,
) -> None:
    before = mask.data.copy()
    dock.findChild(QCheckBox).setChecked(True)
    mask.brush_size = 12
    press(viewer, qtbot, Qt.Key.Key_A)
    drag(mask, (36, 42), (44, 42))
    painted = (mask.data != before).any(axis=0)
    assert painted[38:42].any()
    assert (membrane[3] >= painted).all()
    mask.undo()
    np.testing.assert_array_equal(mask.data, before)
    dock.findChild(QCheckBox).setChecked(False)
    assert str(mask.mode) == "paint"


def test_learning_on_from_nothing_is_refused_and_leaves_no_labels(
    viewer: Viewer, dock: CorrectDock, button: Button, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: "Train a model first." in text(dock))
    dock.findChild(LearnOnView).show_state("", can_begin=True)  # as with a model
    qtbot.mouseClick(button(dock, "Keep training"), Qt.MouseButton.LeftButton)
    assert "No slice of 'mask' is marked as correct." in text(dock)
    assert not any(map(is_sparse_layer, viewer.layers))


def test_corrected_slices_become_ground_truth(
    viewer: Viewer, dock: CorrectDock, mask: Labels, button: Button, drag: Drag, qtbot: QtBot
) -> None:
    press(viewer, qtbot, Qt.Key.Key_A)
    mask.brush_size = 5
    drag(mask, (36, 44), (44, 44))
    assert 'Edited, but not marked: <a href="3"' in text(dock)
    press(viewer, qtbot, Qt.Key.Key_C)
    assert corrected_slices(mask) == [3]
    assert button(dock, "Mark slice 3 as correct").isChecked()
    viewer.dims.set_current_step(0, 5)
    assert not button(dock, "Mark slice 5 as correct").isChecked()
    button(dock, "Use as ground truth").click()
    qtbot.waitUntil(lambda: "has 1 corrected slice now" in text(dock))
    (labels,) = (layer for layer in viewer.layers if is_sparse_layer(layer))
    assert corrected_slices(labels) == [3]
    np.testing.assert_array_equal(labels.data[3] == 1, mask.data[3] == 1)
    assert set(np.unique(labels.data[3])) == {1, 2}
    assert not np.delete(labels.data, 3, 0).any()
    labels.visible = False
    button(dock, "Mark slice 5 as correct").click()
    button(dock, "Use as ground truth").click()
    qtbot.waitUntil(lambda: "has 2 corrected slices now" in text(dock))
    np.testing.assert_array_equal(labels.data[5] == 1, mask.data[5] == 1)
    assert corrected_slices(labels) == [3, 5] and labels.visible
    before = labels.data.copy()
    labels.undo()  # all of it is one step
    assert not labels.data[5].any()
    labels.redo()
    np.testing.assert_array_equal(labels.data, before)


@pytest.fixture
def dask_in_asking_thread() -> Iterator[None]:
    """Slices are read in the thread that asks for them."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.usefixtures("dask_in_asking_thread")
def test_corrected_slices_are_read_in_a_thread_and_reading_can_be_cancelled(
    viewer: Viewer, dock: CorrectDock, mask: Labels, button: Button, qtbot: QtBot
) -> None:
    reads: list[int] = []
    go_on = Event()

    def read(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        if current_thread() is not main_thread():
            reads.append(block_info[0]["chunk-location"][0])
            go_on.wait(60)
        return block

    lazy = da.from_array(mask.data, chunks=(1, *mask.data.shape[1:]))
    mask.data = lazy.map_blocks(read, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))
    button(dock, "Mark slice 3 as correct").click()
    use = button(dock, "Use as ground truth")
    use.click()
    assert not use.isEnabled()
    qtbot.waitUntil(lambda: bool(reads))
    [progress] = viewer.window._qt_window.findChildren(QProgressDialog)
    progress.canceled.emit()
    go_on.set()
    qtbot.waitUntil(use.isEnabled)
    assert not any(map(is_sparse_layer, viewer.layers))
    use.click()
    qtbot.waitUntil(lambda: "has 1 corrected slice now" in text(dock))
    assert set(reads) == {3}


@pytest.mark.parametrize("tool", ["Remove in all", "Close gap  (G)", "Snap to the prediction"])
def test_what_a_mask_that_is_not_in_memory_does_not_take_is_told(
    tool: str,
    viewer: Viewer,
    dock: CorrectDock,
    mask: Labels,
    button: Button,
    drag: Drag,
    qtbot: QtBot,
) -> None:
    before = mask.data.copy()
    mask.data = da.from_array(mask.data, chunks=(1, *mask.data.shape[1:]))
    if tool == "Snap to the prediction":
        dock.findChild(QCheckBox).setChecked(True)
        press(viewer, qtbot, Qt.Key.Key_A)
        drag(mask, (36, 42), (44, 42))
    else:
        button(dock, tool).click()
    if tool == "Close gap  (G)":
        drag(mask, (33, 44), (33, 44))
        drag(mask, (47, 44), (47, 44))
    qtbot.waitUntil(lambda: "'mask' is not in memory" in text(dock))
    np.testing.assert_array_equal(np.asarray(mask.data), before)
    assert button(dock, "Remove in all").isEnabled()


def test_next_region_goes_where_the_model_is_unsure(
    viewer: Viewer, dock: CorrectDock, qtbot: QtBot
) -> None:
    press(viewer, qtbot, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: "1 of" in text(dock))
    assert viewer.dims.current_step[0] == 5
    assert 'Most uncertain slices: <a href="5"' in text(dock)
    _, y, x = viewer.scene.camera.center
    assert 30 <= y / 4 <= 50 and 0 <= x / 4 <= 60
    outline = viewer.layers["uncertain region"]
    np.testing.assert_allclose(outline.data[0].mean(axis=0)[1:] * 4, (y, x), atol=2)
    assert (outline.data[0][:, 0] == 5).all() and "bits" not in text(dock)
    assert viewer.layers.selection.active == viewer.layers["mask"]
    press(viewer, qtbot, Qt.Key.Key_N)
    assert "2 of 7" in text(dock)
    viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate")
    qtbot.waitUntil(lambda: "uncertain region" not in viewer.layers)


def test_without_a_mask_it_says_what_to_do(viewer: Viewer) -> None:
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Correct")
    assert "Predict a mask first" in text(dock)


def test_after_a_failed_count_specks_are_counted_with_the_next_edit(
    viewer: Viewer, dock: CorrectDock, fail_once: FailOnce, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: "1 here" in text(dock))
    is_reported = fail_once(speck_removal, "find_specks")
    viewer.dims.set_current_step(0, 0)
    qtbot.waitUntil(is_reported)
    viewer.dims.set_current_step(0, 4)
    qtbot.waitUntil(lambda: "1 here" in text(dock))


def test_an_outdated_count_of_specks_is_not_shown(
    viewer: Viewer, dock: CorrectDock, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    begun, let_go, shown = Event(), Event(), []
    find = speck_removal.find_specks

    def find_slowly(page: np.ndarray, size: int) -> object:
        begun.set()
        assert let_go.wait(60)
        return find(page, size)

    qtbot.waitUntil(lambda: "1 here" in text(dock))
    label = next(found for found in dock.findChildren(QLabel) if found.text() == "1 here")
    monkeypatch.setattr(label, "setText", shown.append)
    monkeypatch.setattr(speck_removal, "find_specks", find_slowly)
    size = dock.findChild(SpecksView).findChild(QSpinBox)
    size.setValue(39)
    assert begun.wait(60)
    size.setValue(4)  # as large as the speck, which is not under it
    let_go.set()
    qtbot.waitUntil(lambda: "0 here" in shown)
    assert "1 here" not in shown


def test_after_a_failed_ranking_the_next_one_goes_to_a_region(
    viewer: Viewer, dock: CorrectDock, fail_once: FailOnce, qtbot: QtBot
) -> None:
    is_reported = fail_once(region_tour, "rank_uncertainty")
    press(viewer, qtbot, Qt.Key.Key_N)
    qtbot.waitUntil(is_reported)
    press(viewer, qtbot, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: "1 of" in text(dock))


def test_labels_are_outlined_while_the_mask_is_corrected(
    viewer: Viewer, mask: Labels, qtbot: QtBot
) -> None:
    image = viewer.layers["tissue"]
    strokes = add_sparse_labels(viewer, np.full(mask.data.shape, 2, np.uint8), image, "strokes")
    strokes.contour = 3
    former = strokes.colormap
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Correct")
    qtbot.waitUntil(lambda: strokes.contour == 1)
    assert strokes.colormap.map(np.uint8(2))[3] < 0.25, "inside is nearly transparent"
    assert strokes.colormap.map(np.uint8(1))[3] == 1
    viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate")
    qtbot.waitUntil(lambda: strokes.contour == 3)
    assert strokes.colormap == former
    dock.come_to_front()
    qtbot.waitUntil(lambda: strokes.contour == 1)
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    assert strokes.contour == 3 and strokes.colormap == former


def test_a_mask_is_corrected_over_its_own_image(
    viewer: Viewer, dock: CorrectDock, mask: Labels, button: Button, qtbot: QtBot
) -> None:
    """Stacks of one shape, as ISBI's two, must not be mistaken for each other."""
    other = viewer.add_image(viewer.layers["tissue"].data[::-1].copy(), name="other")
    viewer.layers.move(viewer.layers.index(other), 0)
    strokes = add_sparse_labels(viewer, np.zeros(mask.data.shape, np.uint8), other, "of other")
    button(dock, "Mark slice 3 as correct").click()
    button(dock, "Use as ground truth").click()
    qtbot.waitUntil(lambda: "has 1 corrected slice now" in text(dock))
    assert not strokes.data.any()
    assert viewer.layers["tissue truth"].data[3].any()
