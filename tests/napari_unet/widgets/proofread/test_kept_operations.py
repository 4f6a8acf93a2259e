"""What is kept of operations: before a project is made, in another one, and while they are done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from napari.layers._layer_actions import _duplicate_layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_unet.layers.plugin_layers import OPERATIONS_KEY, add_neurons
from napari_unet.projects.layer_records import read_pixels
from napari_unet.projects.operation_list import append_lines, read_lines
from napari_unet.proofreading.edits import Edit
from napari_unet.proofreading.history import History
from napari_unet.settings import load_settings
from napari_unet.widgets.project.dock import ProjectDock
from napari_unet.widgets.proofread.dock import NeuronsDock
from tests.napari_unet.widgets.proofread.conftest import (
    KEYS,
    Button,
    Gate,
    Press,
    becomes,
    button_of,
    click,
    open_dock,
    quarter,
    says,
)
from tests.napari_unet.widgets.proofread.test_replay import chosen_file

__all__ = ["chosen_file"]
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def project(viewer: Viewer) -> ProjectDock:
    project = ProjectDock(viewer)
    viewer.window.add_dock_widget(project, name="Project")
    return project


@pytest.fixture
def delete(viewer: Viewer, press: Press, qtbot: QtBot) -> Callable[..., None]:
    """``delete(dock, layer, row, column)`` clicks a neuron there, and deletes it."""

    def delete_neuron(dock: NeuronsDock, layer: Labels, row: float, column: float) -> None:
        place = quarter(layer, row, column)
        body = int(layer.data[(3, *place)])
        click(viewer, layer, place, qtbot)
        press(KEYS.Key_R)
        qtbot.waitUntil(lambda: says(dock, f"Deleted neuron {body}."))

    return delete_neuron


def make(project: ProjectDock, folder: Path, qtbot: QtBot) -> None:
    project.new_project(folder)
    qtbot.waitUntil(lambda: is_open(project, folder))


def is_open(project: ProjectDock, folder: Path) -> bool:
    session = project._session
    return session is not None and session.project.folder == folder


def close(project: ProjectDock, button: Button, qtbot: QtBot) -> None:
    button(project, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)


def open_again(
    viewer: Viewer, dock: NeuronsDock, project: ProjectDock, folder: Path, qtbot: QtBot
) -> Any:
    """Open a project, and look at its neurons; they are its topmost layer."""
    viewer.layers.clear()
    project.open_project(folder)
    qtbot.waitUntil(lambda: is_open(project, folder))
    qtbot.waitUntil(lambda: button_of(dock, "Merge").isEnabled())
    return viewer.layers[-1]


def test_operations_before_a_project_and_after_a_change_of_name_are_undone_in_it(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    project: ProjectDock,
    delete: Callable[..., None],
    tmp_path: Path,
    button: Button,
    qtbot: QtBot,
) -> None:
    """And in a project that is made of the first one, whose operations nobody looked at."""
    first = neurons.data.copy()
    delete(dock, neurons, 0.3, 0.3)
    deleted = neurons.data.copy()
    neurons.name = "mended"
    make(project, tmp_path / "one", qtbot)
    close(project, button, qtbot)
    viewer.window.remove_dock_widget(dock)
    viewer.layers.clear()
    project.open_project(tmp_path / "one")
    qtbot.waitUntil(lambda: is_open(project, tmp_path / "one"))
    make(project, tmp_path / "two", qtbot)
    dock = open_dock(viewer, qtbot)
    for name in ("two", "one"):
        close(project, button, qtbot)
        reopened = open_again(viewer, dock, project, tmp_path / name, qtbot)
        np.testing.assert_array_equal(reopened.data, deleted)
        button_of(dock, "Undo").click()
        becomes(reopened, first, qtbot)
    close(project, button, qtbot)
    for name in ("one", "two"):
        [path] = (tmp_path / name / "labels").glob("*.jsonl")
        assert [*map(len, read_lines(path))] == [4, 1]


def test_two_layers_and_a_duplicate_keep_operations_of_their_own(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    project: ProjectDock,
    delete: Callable[..., None],
    tmp_path: Path,
    button: Button,
    qtbot: QtBot,
) -> None:
    first = neurons.data.copy()
    delete(dock, neurons, 0.3, 0.3)
    _duplicate_layer(viewer.layers, name="neurons")
    second = add_neurons(viewer, first.copy(), viewer.layers["tissue"], "second")
    dock._labels.choose(second)
    qtbot.waitUntil(lambda: button_of(dock, "Merge").isEnabled())
    delete(dock, second, 0.7, 0.3)
    dock._labels.choose(neurons)
    qtbot.waitUntil(lambda: button_of(dock, "Undo").isEnabled())
    delete(dock, neurons, 0.3, 0.7)
    make(project, tmp_path / "project", qtbot)
    close(project, button, qtbot)
    counts = {
        path.name: len(read_lines(path)) for path in (tmp_path / "project/labels").glob("*.jsonl")
    }
    names = ("neurons", "neurons copy", "second")
    assert [counts[viewer.layers[name].metadata[OPERATIONS_KEY]] for name in names] == [2, 1, 1]
    open_again(viewer, dock, project, tmp_path / "project", qtbot)
    for name in names:
        layer = viewer.layers[name]
        dock._labels.choose(layer)
        qtbot.waitUntil(lambda: button_of(dock, "Undo").isEnabled())
        while not np.array_equal(layer.data, first):
            before = layer.data.copy()
            button_of(dock, "Undo").click()
            qtbot.waitUntil(lambda: not np.array_equal(layer.data, before))  # noqa: B023
    close(project, button, qtbot)


def test_what_is_asked_for_while_an_operation_goes_on_is_done_after_it(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    project: ProjectDock,
    delete: Callable[..., None],
    press: Press,
    held: Callable[[Any, str, int], Gate],
    tmp_path: Path,
    button: Button,
    qtbot: QtBot,
) -> None:
    """The displayed slice is changed first; nothing is saved of the half that is done."""
    first = neurons.data.copy()
    delete(dock, neurons, 0.3, 0.3)
    deleted = neurons.data.copy()
    make(project, tmp_path / "project", qtbot)
    file = tmp_path / "project/labels/neurons.tif"
    qtbot.waitUntil(lambda: file.exists())
    gate = held(Edit, "change", 2)  # that of the second slice
    button_of(dock, "Undo").click()
    qtbot.waitUntil(lambda: np.array_equal(neurons.data[3], first[3]))
    assert (neurons.data[[0, 1, 2, 4, 5, 6]] == deleted[[0, 1, 2, 4, 5, 6]]).all()
    click(viewer, neurons, quarter(neurons, 0.7, 0.3), qtbot)
    press(KEYS.Key_R)
    neurons.paint((3, 2, 2), 9)
    press(KEYS.Key_Z, CONTROL | SHIFT)
    project._session.save()
    qtbot.wait(50)
    np.testing.assert_array_equal(read_pixels(file, 3), deleted)
    gate.set()
    wanted = np.where(first == 3, 0, first)
    qtbot.waitUntil(lambda: (neurons.data[4:] == wanted[4:]).all())
    assert (neurons.data == 9).any()
    qtbot.waitUntil(lambda: says(dock, "Deleted neuron 3."))
    press(KEYS.Key_Z, CONTROL)
    qtbot.waitUntil(lambda: (neurons.data == 3).any())
    assert (neurons.data == 9).any()
    press(KEYS.Key_Z, CONTROL)  # the stroke
    becomes(neurons, first, qtbot)
    close(project, button, qtbot)
    np.testing.assert_array_equal(read_pixels(file, 3), first)
    lines = read_lines(file.parent / neurons.metadata[OPERATIONS_KEY])
    assert [line.get("kind", "back") for line in lines] == ["delete", "back", "delete", "back"]


def test_an_operation_ends_although_its_dock_is_closed_meanwhile(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    press: Press,
    held: Callable[[Any, str, int], Gate],
    qtbot: QtBot,
) -> None:
    first = neurons.data.copy()
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    gate = held(Edit, "change", 2)
    press(KEYS.Key_R)
    qtbot.waitUntil(lambda: not (neurons.data[3] == 1).any())
    viewer.window.remove_dock_widget(dock)
    gate.set()
    becomes(neurons, np.where(first == 1, 0, first), qtbot)
    again = open_dock(viewer, qtbot)
    button_of(again, "Undo").click()
    becomes(neurons, first, qtbot)


def test_an_operation_whose_pixels_are_painted_meanwhile_is_taken_back_and_told(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    press: Press,
    held: Callable[[Any, str, int], Gate],
    qtbot: QtBot,
) -> None:
    first = neurons.data.copy()
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    gate = held(Edit, "change", 2)
    press(KEYS.Key_R)
    qtbot.waitUntil(lambda: not (neurons.data[3] == 1).any())
    neurons.data[5, 5, 5] = first[5, 5, 5] = 9
    gate.set()
    qtbot.waitUntil(lambda: says(dock, "can't be done, because its pixels were painted since"))
    np.testing.assert_array_equal(neurons.data, first)
    qtbot.waitUntil(lambda: not button_of(dock, "Undo").isEnabled())


def test_a_project_that_is_made_while_a_list_is_done_again_has_all_of_it(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    project: ProjectDock,
    chosen_file: Path,
    delete: Callable[..., None],
    held: Callable[[Any, str, int], Gate],
    tmp_path: Path,
    button: Button,
    qtbot: QtBot,
) -> None:
    first = neurons.data.copy()
    for column in (0.3, 0.7):
        delete(dock, neurons, 0.3, column)
    lines: Any = read_lines_of(neurons)
    append_lines(chosen_file, lines)
    for _ in range(2):
        button_of(dock, "Undo").click()
    becomes(neurons, first, qtbot)
    gate = held(History, "plan", 2)
    button_of(dock, "Replay").click()
    qtbot.waitUntil(lambda: not (neurons.data == 1).any())
    make(project, tmp_path / "project", qtbot)
    gate.set()
    qtbot.waitUntil(lambda: says(dock, "Did 2 of 2 operations again."))
    close(project, button, qtbot)
    reopened = open_again(viewer, dock, project, tmp_path / "project", qtbot)
    for _ in range(2):
        button_of(dock, "Undo").click()
    becomes(reopened, first, qtbot)
    close(project, button, qtbot)


def read_lines_of(neurons: Labels) -> list[dict[str, Any]]:
    return [*neurons.metadata["operation_lines"]]
