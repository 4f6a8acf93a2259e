"""Mending neurons with the mouse and keys in a real viewer."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.layers import Labels, Surface
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_unet.settings import load_settings
from napari_unet.widgets.common.dock import PLUGIN
from napari_unet.widgets.files import long_task
from napari_unet.widgets.project.dock import ProjectDock
from napari_unet.widgets.proofread.dock import NeuronsDock
from tests.napari_unet.widgets.proofread.conftest import (
    KEYS,
    Button,
    Drag,
    Press,
    becomes,
    button_of,
    click,
    open_dock,
    quarter,
    says,
    text,
    undo_and_redo,
)


def test_clicks_choose_neurons_and_a_key_merges_them(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, press: Press, qtbot: QtBot
) -> None:
    before = neurons.data.copy()
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    assert "Neuron 1, in slices 0 to 6" in text(dock)
    assert "chosen neurons" in viewer.layers
    click(viewer, neurons, quarter(neurons, 0.7, 0.7), qtbot, shift=True)
    assert "2 are chosen" in text(dock)
    press(KEYS.Key_J)
    qtbot.waitUntil(lambda: "Merged into neuron 1." in text(dock))
    assert set(np.unique(neurons.data)) == {1, 2, 3}
    undo_and_redo(neurons, before, press, qtbot)


def test_a_stroke_across_neurons_merges_them(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, drag: Drag, press: Press, qtbot: QtBot
) -> None:
    before = neurons.data.copy()
    press(KEYS.Key_J)
    assert "Draw a stroke across" in text(dock)
    drag(neurons, quarter(neurons, 0.3, 0.3), quarter(neurons, 0.3, 0.7))
    qtbot.waitUntil(lambda: "Merged into neuron 1." in text(dock))
    assert set(np.unique(neurons.data)) == {1, 3, 4}
    assert "strokes" not in viewer.layers
    undo_and_redo(neurons, before, press, qtbot)


def test_two_strokes_split_a_neuron_along_the_membrane(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, drag: Drag, press: Press, qtbot: QtBot
) -> None:
    before = neurons.data.copy()
    press(KEYS.Key_K)
    drag(neurons, quarter(neurons, 0.1, 0.1), quarter(neurons, 0.1, 0.4))
    assert "second stroke" in text(dock)
    drag(neurons, quarter(neurons, 0.4, 0.1), quarter(neurons, 0.4, 0.4))
    qtbot.waitUntil(lambda: "Split neuron 1." in text(dock))
    wall, right = neurons.data.shape[1] // 4, neurons.data.shape[2] // 2
    assert (neurons.data[:, :wall, :right] == 1).all()
    assert (neurons.data[:, wall + 1 : 2 * wall, :right] == 5).all()
    undo_and_redo(neurons, before, press, qtbot)


def test_a_line_cuts_a_neuron_in_two(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, drag: Drag, press: Press, qtbot: QtBot
) -> None:
    before = neurons.data.copy()
    press(KEYS.Key_S)
    assert "from outside to outside" in text(dock)
    drag(neurons, quarter(neurons, 0.7, 0.45), quarter(neurons, 0.7, 0.85))
    qtbot.waitUntil(lambda: "does not cut the neuron in two" in text(dock))
    press(KEYS.Key_S)
    drag(neurons, quarter(neurons, 0.4, 0.75), quarter(neurons, 1.0, 0.75))
    qtbot.waitUntil(lambda: "Cut neuron 4." in text(dock))
    column = quarter(neurons, 0.0, 0.75)[1]
    ids = neurons.data[:, neurons.data.shape[1] // 2 :]
    assert (ids[3, :, column + 1 :] == ids[3, -1, -1]).all()
    assert (ids[:, :, column + 2 :] == ids[3, -1, -1]).all()
    assert set(np.unique(ids[:, :, -1])) | set(np.unique(ids[:, :, column - 3])) == {4, 5}
    undo_and_redo(neurons, before, press, qtbot)


def test_a_neuron_is_deleted_and_a_new_one_drawn_in_its_place(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, drag: Drag, press: Press, qtbot: QtBot
) -> None:
    first = neurons.data.copy()
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    press(KEYS.Key_R)
    qtbot.waitUntil(lambda: "Deleted neuron 1." in text(dock))
    assert not (neurons.data == 1).any()
    before = neurons.data.copy()
    press(KEYS.Key_A)
    drag(neurons, quarter(neurons, 0.1, 0.1), quarter(neurons, 0.1, 0.3))
    qtbot.waitUntil(lambda: "Added neuron 5." in text(dock))
    assert {*np.flatnonzero((neurons.data == 5).any((1, 2)))} == {3}
    undo_and_redo(neurons, before, press, qtbot)
    press(KEYS.Key_Z, Qt.KeyboardModifier.ControlModifier)
    becomes(neurons, first, qtbot)


def test_what_is_done_is_not_suspicious_any_more(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, press: Press, qtbot: QtBot
) -> None:
    press(KEYS.Key_N)
    qtbot.waitUntil(lambda: "Place 1 of " in text(dock))
    first = text(dock)
    assert "neuron 1 may be several" in first or "touches the border" in first
    press(KEYS.Key_D)
    qtbot.waitUntil(lambda: "(done)" in text(dock))
    press(KEYS.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: "(done)" not in text(dock))


def test_a_stroke_of_the_brush_and_an_operation_are_undone_in_their_order(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, press: Press, qtbot: QtBot
) -> None:
    first = neurons.data.copy()
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    press(KEYS.Key_R)
    qtbot.waitUntil(lambda: "Deleted" in text(dock))
    deleted = neurons.data.copy()
    neurons.paint((3, 10, 10), 9)
    assert (neurons.data == 9).any()
    control = Qt.KeyboardModifier.ControlModifier
    press(KEYS.Key_Z, control)
    np.testing.assert_array_equal(neurons.data, deleted)
    press(KEYS.Key_Z, control)
    becomes(neurons, first, qtbot)
    qtbot.waitUntil(lambda: not button_of(dock, "Undo").isEnabled())


def test_undo_and_redo_go_to_a_slice_that_they_change(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, drag: Drag, press: Press, qtbot: QtBot
) -> None:
    control, last = Qt.KeyboardModifier.ControlModifier, len(neurons.data) - 1
    redo = control | Qt.KeyboardModifier.ShiftModifier
    neurons.data[3, :10] = 0
    neurons.refresh()
    press(KEYS.Key_A)
    drag(neurons, quarter(neurons, 0.05, 0.1), quarter(neurons, 0.05, 0.3))  # on slice 3 alone
    qtbot.waitUntil(lambda: "Added neuron 5." in text(dock))
    for key, is_there in ((control, False), (redo, True)):
        viewer.dims.set_current_step(0, last)
        press(KEYS.Key_Z, key)
        qtbot.waitUntil(lambda is_there=is_there: (neurons.data == 5).any() == is_there)
        qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 3)
    neurons.paint((1, 10, 10), 9)
    press(KEYS.Key_Z, control)
    assert viewer.dims.current_step[0] == 1, "where the brush was"
    viewer.dims.set_current_step(0, 2)
    click(viewer, neurons, quarter(neurons, 0.7, 0.7), qtbot)
    press(KEYS.Key_R)  # in all slices
    qtbot.waitUntil(lambda: "Deleted neuron 4." in text(dock))
    viewer.dims.set_current_step(0, last)
    press(KEYS.Key_Z, control)
    qtbot.waitUntil(lambda: "Undone: delete." in text(dock))
    assert viewer.dims.current_step[0] == last, "which shows it"


def test_what_can_not_be_done_is_told_and_changes_nothing(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, drag: Drag, press: Press, qtbot: QtBot
) -> None:
    before = neurons.data.copy()
    press(KEYS.Key_K)
    for row in (0.3, 0.7):
        drag(neurons, quarter(neurons, row, 0.1), quarter(neurons, row, 0.4))
    qtbot.waitUntil(lambda: "don't lie on one neuron" in text(dock))
    np.testing.assert_array_equal(neurons.data, before)
    qtbot.waitUntil(lambda: not button_of(dock, "Undo").isEnabled())


def test_labels_that_can_not_be_mended_are_named_with_the_reason(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, qtbot: QtBot
) -> None:
    data = neurons.data.copy()
    data.flags.writeable = False
    neurons.data = data
    qtbot.waitUntil(lambda: "can't be written to" in text(dock))
    assert not button_of(dock, "Merge").isEnabled()


def test_a_closed_dock_goes_on_where_it_was(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, press: Press, qtbot: QtBot
) -> None:
    before = neurons.data.copy()
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    press(KEYS.Key_R)
    qtbot.waitUntil(lambda: "Deleted" in text(dock))
    viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer, qtbot)
    button_of(again, "Undo").click()
    becomes(neurons, before, qtbot)


def test_the_chosen_neuron_has_a_surface_in_the_3_d_view(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, qtbot: QtBot
) -> None:
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: "chosen neuron" in viewer.layers)
    surface: Any = viewer.layers["chosen neuron"]
    assert isinstance(surface, Surface)
    rows = neurons.data.shape[1] // 2
    assert surface.data[0][:, -2].max() == pytest.approx(rows - 0.5)
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: "chosen neuron" not in viewer.layers)


def test_neurons_become_labels_to_learn_from(
    viewer: Viewer, dock: NeuronsDock, neurons: Labels, button: Button, qtbot: QtBot
) -> None:
    button(dock, "Use as labels to learn from").click()
    qtbot.waitUntil(lambda: "neurons truth" in viewer.layers)
    np.testing.assert_array_equal(viewer.layers["neurons truth"].data, neurons.data)
    assert dock._labels.layer == neurons


def test_a_dock_that_is_closed_while_neurons_are_copied_adds_none(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    button: Button,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on = threading.Event()
    place = "napari_unet.widgets.proofread.dock.copy_pixels"
    monkeypatch.setattr(place, lambda name, pixels, on_part: goes_on.wait(60) and pixels.copy())
    before = [*viewer.layers]
    button(dock, "Use as labels to learn from").click()
    assert long_task._running
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    goes_on.set()
    qtbot.waitUntil(lambda: not long_task._running)
    assert [*viewer.layers] == before


def test_a_project_brings_operations_back_to_be_undone(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    press: Press,
    tmp_path: Path,
    button: Button,
    qtbot: QtBot,
) -> None:
    before = neurons.data.copy()
    project = ProjectDock(viewer)
    viewer.window.add_dock_widget(project, name="Project")
    project.new_project(tmp_path / "project")
    qtbot.waitUntil(lambda: bool(load_settings().project))
    for row in (0.3, 0.7):
        click(viewer, neurons, quarter(neurons, row, 0.3), qtbot)
        press(KEYS.Key_R)
        deleted = f"Deleted neuron {1 if row < 0.5 else 3}."
        qtbot.waitUntil(partial(says, dock, deleted))
    labels = tmp_path / "project" / "labels"
    qtbot.waitUntil(lambda: sum(f.read_text().count("\n") for f in labels.glob("*.jsonl")) == 2)
    tifffile.imwrite(tmp_path / "above.tif", np.asarray(viewer.layers["tissue"].data))
    [above] = viewer.open(tmp_path / "above.tif", plugin=PLUGIN)
    QApplication.processEvents()  # it is arranged
    viewer.layers.move(viewer.layers.index(above), len(viewer.layers))
    layers = [layer.name for layer in viewer.layers]
    button(project, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    viewer.layers.clear()
    project.open_project(tmp_path / "project")
    qtbot.waitUntil(lambda: "neurons" in viewer.layers)
    qtbot.waitUntil(lambda: button_of(dock, "Undo").isEnabled())
    assert [layer.name for layer in viewer.layers] == layers
    reopened = viewer.layers["neurons"]
    assert set(np.unique(reopened.data)) == {0, 2, 4}
    for _ in range(2):
        button_of(dock, "Undo").click()
    becomes(reopened, before, qtbot)
    qtbot.waitUntil(lambda: sum(f.read_text().count("\n") for f in labels.glob("*.jsonl")) == 4)
    button(project, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)


@pytest.mark.usefixtures("dock")
def test_a_chosen_neuron_goes_on_where_slices_of_it_are_missing(
    viewer: Viewer, neurons: Labels, press: Press, qtbot: QtBot
) -> None:
    whole = neurons.data[2].copy()
    neurons.data[2][whole == 2] = 0
    viewer.dims.set_current_step(0, 3)
    click(viewer, neurons, quarter(neurons, 0.25, 0.75), qtbot)
    assert neurons.selected_label == 2
    viewer.dims.set_current_step(0, 2)
    press(KEYS.Key_I)
    qtbot.waitUntil(lambda: bool((neurons.data[2] == whole).all()))
    press(KEYS.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not (neurons.data[2] == 2).any()


@pytest.mark.parametrize("way", ["cleared", "removed"])
def test_layers_go_while_a_neuron_is_chosen(
    dock: NeuronsDock, viewer: Viewer, neurons: Labels, qtbot: QtBot, way: str
) -> None:
    viewer.add_image(viewer.layers["tissue"].data, name="without a size")
    viewer.layers.selection.active = neurons
    click(viewer, neurons, quarter(neurons, 0.25, 0.25), qtbot)
    assert "chosen neurons" in viewer.layers
    if way == "cleared":
        viewer.layers.clear()
    else:
        viewer.layers.select_all()
        viewer.layers.remove_selected()
    assert list(viewer.layers) == []
