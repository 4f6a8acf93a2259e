"""A mask that follows the neurons over it, by mouse and keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox
from skimage.segmentation import find_boundaries

from napari_unet.layers.plugin_layers import OPERATIONS_KEY, add_mask, placement
from napari_unet.projects.layer_records import read_pixels
from napari_unet.settings import load_settings
from napari_unet.widgets.project import session
from napari_unet.widgets.project.dock import ProjectDock
from napari_unet.widgets.proofread.dock import NeuronsDock
from tests.napari_unet.widgets.proofread.conftest import (
    KEYS,
    Button,
    Drag,
    Press,
    becomes,
    button_of,
    open_dock,
    quarter,
    text,
    undo_and_redo,
)

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def mask(viewer: Viewer, neurons: Labels) -> Labels:
    """Membrane between the quarters, but not within the first one."""
    height, width = neurons.data.shape[1:]
    data = np.zeros(neurons.data.shape, np.uint8)
    data[:, height // 2 - 1 : height // 2 + 1] = 1
    data[:, :, width // 2 - 1 : width // 2 + 1] = 1
    tissue = viewer.layers["tissue"]
    other = viewer.add_image(tissue.data, name="other", visible=False, **placement(tissue))
    add_mask(viewer, 1 - data, other, "mask of another image").visible = False
    return add_mask(viewer, data, tissue, "tissue mask")


@pytest.fixture
def dock(viewer: Viewer, mask: Labels, qtbot: QtBot) -> NeuronsDock:
    dock = open_dock(viewer, qtbot)
    box = next(b for b in dock.findChildren(QCheckBox) if b.text() == "Draw walls in")
    box.click()
    return dock


def split_first(neurons: Labels, drag: Drag, press: Press, dock: NeuronsDock, qtbot: QtBot) -> None:
    press(KEYS.Key_K)
    drag(neurons, quarter(neurons, 0.1, 0.1), quarter(neurons, 0.1, 0.4))
    drag(neurons, quarter(neurons, 0.4, 0.1), quarter(neurons, 0.4, 0.4))
    qtbot.waitUntil(lambda: "Split neuron 1." in text(dock))


def wall_in(neurons: Labels) -> NDArray[np.bool_]:
    """Both sides of the border within the first quarter, in all slices."""
    wall = np.zeros(neurons.data.shape, bool)
    quarter = np.s_[: wall.shape[1] // 2, : wall.shape[2] // 2]
    for page, ids in zip(wall, neurons.data, strict=True):
        page[quarter] = find_boundaries(ids[quarter], connectivity=2, mode="thick")
    return wall


def test_a_split_draws_membrane_and_a_merge_erases_it_again(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    mask: Labels,
    drag: Drag,
    press: Press,
    qtbot: QtBot,
) -> None:
    first, before = mask.data.copy(), neurons.data.copy()
    split_first(neurons, drag, press, dock, qtbot)
    assert "Split neuron 1. 'tissue mask' follows." in text(dock)
    drawn = mask.data.copy()
    np.testing.assert_array_equal(drawn != first, wall_in(neurons) & (first == 0))
    undo_and_redo(neurons, before, press, qtbot)
    becomes(mask, first, qtbot)
    press(KEYS.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    becomes(mask, drawn, qtbot)
    press(KEYS.Key_J)
    drag(neurons, quarter(neurons, 0.1, 0.3), quarter(neurons, 0.4, 0.3))
    qtbot.waitUntil(lambda: "Merged into neuron 1." in text(dock))
    becomes(neurons, before, qtbot)
    height, width = neurons.data.shape[1:]
    inner = np.s_[:, : height // 2 - 2, : width // 2 - 2]
    assert not mask.data[inner].any()
    press(KEYS.Key_Z, CONTROL)
    becomes(mask, drawn, qtbot)


def test_a_mask_painted_since_stays_and_is_told(
    dock: NeuronsDock,
    neurons: Labels,
    mask: Labels,
    drag: Drag,
    press: Press,
    qtbot: QtBot,
) -> None:
    before = neurons.data.copy()
    split_first(neurons, drag, press, dock, qtbot)
    pixel = np.argwhere(wall_in(neurons))[:1].T
    mask.data_setitem(tuple(pixel), 0)
    painted = mask.data.copy()
    press(KEYS.Key_Z, CONTROL)
    told = "Undone: split. 'tissue mask' was painted there since, and stays"
    qtbot.waitUntil(lambda: told in text(dock))
    becomes(neurons, before, qtbot)
    becomes(mask, painted, qtbot)


def test_walls_are_taken_back_after_a_project_is_opened_again(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    mask: Labels,
    drag: Drag,
    press: Press,
    tmp_path: Path,
    button: Button,
    qtbot: QtBot,
) -> None:
    before, first = neurons.data.copy(), mask.data.copy()
    project = ProjectDock(viewer)
    viewer.window.add_dock_widget(project, name="Project")
    project.new_project(tmp_path / "project")
    qtbot.waitUntil(lambda: bool(load_settings().project))
    split_first(neurons, drag, press, dock, qtbot)
    drawn = mask.data.copy()
    button(project, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    viewer.layers.clear()
    project.open_project(tmp_path / "project")
    qtbot.waitUntil(lambda: "tissue mask" in viewer.layers and "neurons" in viewer.layers)
    qtbot.waitUntil(lambda: button_of(dock, "Undo").isEnabled())
    becomes(viewer.layers["tissue mask"], drawn, qtbot)
    button_of(dock, "Undo").click()
    becomes(viewer.layers["neurons"], before, qtbot)
    becomes(viewer.layers["tissue mask"], first, qtbot)
    button(project, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)


def test_walls_that_were_not_saved_any_more_are_drawn_on_reopening(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    mask: Labels,
    drag: Drag,
    press: Press,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    button: Button,
    qtbot: QtBot,
) -> None:
    """As if napari had ended in the second before pixels are saved."""
    monkeypatch.setattr(session, "EDIT_DELAY", 10**7)
    before, first = neurons.data.copy(), mask.data.copy()
    project, folder, died = ProjectDock(viewer), tmp_path / "project", tmp_path / "died"
    viewer.window.add_dock_widget(project, name="Project")
    project.new_project(folder)
    qtbot.waitUntil(lambda: bool(load_settings().project))
    qtbot.waitUntil(lambda: "tissue mask" in (folder / "project.json").read_text())
    split_first(neurons, drag, press, dock, qtbot)
    split, drawn = neurons.data.copy(), mask.data.copy()
    operations = neurons.metadata[OPERATIONS_KEY]
    qtbot.waitUntil(lambda: (folder / "labels" / operations).exists())
    qtbot.waitUntil(lambda: (folder / "project.json").read_text().count(operations) == 3)
    shutil.copytree(folder, died, ignore=shutil.ignore_patterns("*.part"))
    for name, saved in {"neurons": before, "tissue-mask": first}.items():
        np.testing.assert_array_equal(read_pixels(died / "labels" / f"{name}.tif", 3), saved)
    button(project, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    viewer.layers.clear()
    project.open_project(died)
    qtbot.waitUntil(lambda: button_of(dock, "Undo").isEnabled())
    becomes(viewer.layers["neurons"], split, qtbot)
    becomes(viewer.layers["tissue mask"], drawn, qtbot)
    button_of(dock, "Undo").click()
    becomes(viewer.layers["neurons"], before, qtbot)
    becomes(viewer.layers["tissue mask"], first, qtbot)
    button(project, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
