"""The look at all slices: stopped, begun again, and what it says of slices that are not linked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QProgressBar
from scipy import ndimage

from napari_unet.layers.plugin_layers import add_class_labels
from napari_unet.proofreading.edits import Edit
from napari_unet.widgets.proofread import mending
from napari_unet.widgets.proofread.dock import NeuronsDock
from tests.napari_unet.widgets.proofread.conftest import (
    KEYS,
    Gate,
    Press,
    button_of,
    click,
    open_dock,
    quarter,
    says,
    shown,
    text,
)
from training.label_classes import LabelClasses


def test_the_first_look_is_stopped_and_begun_again(
    viewer: Viewer, neurons: Labels, held: Callable[[Any, str, int], Gate], qtbot: QtBot
) -> None:
    gate = held(ndimage, "find_objects", 3)
    dock = NeuronsDock(viewer)
    viewer.window.add_dock_widget(dock, name="Neurons")
    qtbot.waitUntil(lambda: shown(dock, "Stop") is not None)
    bar = dock.findChild(QProgressBar)
    assert (bar.value(), bar.maximum()) == (2, neurons.data.shape[0])
    assert "Looking at the neurons… Slice 2 of 7" in text(dock)
    assert " left" in text(dock)
    shown(dock, "Stop").click()
    gate.set()
    qtbot.waitUntil(lambda: shown(dock, "Look again") is not None)
    assert shown(dock, "Stop") is None
    assert not button_of(dock, "Merge").isEnabled()
    shown(dock, "Look again").click()
    qtbot.waitUntil(lambda: button_of(dock, "Merge").isEnabled())
    assert shown(dock, "Look again") is None


def test_the_search_for_suspicious_neurons_is_stopped_and_begun_again(
    dock: NeuronsDock, held: Callable[[Any, str, int], Gate], qtbot: QtBot
) -> None:
    gate = held(mending, "find_suspicions", 1)
    button_of(dock, "Next").click()
    qtbot.waitUntil(lambda: shown(dock, "Stop") is not None)
    shown(dock, "Stop").click()
    gate.set()
    qtbot.waitUntil(lambda: says(dock, "Stopped. Next looks again."))
    button_of(dock, "Next").click()
    qtbot.waitUntil(lambda: says(dock, "1 of "))
    assert shown(dock, "Stop") is None


# While it is planned, and while it is done.
@pytest.mark.parametrize(("function", "count"), [("of", 3), ("change", 4)])
def test_a_long_operation_shows_how_far_it_is_and_is_stopped(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    press: Press,
    held: Callable[[Any, str, int], Gate],
    function: str,
    count: int,
    qtbot: QtBot,
) -> None:
    before = neurons.data.copy()
    gate = held(Edit, function, count)
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    press(KEYS.Key_R)
    qtbot.waitUntil(lambda: shown(dock, "Stop") is not None)
    assert f"Deleting… Part {count - 1} of 7" in text(dock)
    shown(dock, "Stop").click()
    gate.set()
    qtbot.waitUntil(lambda: says(dock, "Stopped: nothing was changed."))
    qtbot.waitUntil(lambda: shown(dock, "Stop") is None)
    np.testing.assert_array_equal(neurons.data, before)
    assert not button_of(dock, "Undo").isEnabled()
    press(KEYS.Key_R)
    qtbot.waitUntil(lambda: says(dock, "Deleted neuron 1."))
    assert not (neurons.data == 1).any()


def test_slices_that_are_not_linked_are_told(viewer: Viewer, neurons: Labels, qtbot: QtBot) -> None:
    depth = len(neurons.data)
    neurons.data = neurons.data + 4 * np.arange(depth, dtype=np.int32)[:, None, None]
    dock = open_dock(viewer, qtbot)
    assert "The slices are not linked" in text(dock)
    button_of(dock, "Next").click()
    qtbot.waitUntil(lambda: says(dock, "1 of "))
    assert "one slice only" not in text(dock)


def test_classes_are_not_offered_as_neurons(
    viewer: Viewer, neurons: Labels, dock: NeuronsDock
) -> None:
    tissue = viewer.layers["tissue"]
    classes = LabelClasses.parse("membrane,mitochondria")
    add_class_labels(viewer, np.ones(tissue.data.shape, np.uint8), tissue, "kinds", classes)
    box = dock.findChildren(QComboBox)[0]
    assert [box.itemText(index) for index in range(box.count())] == ["neurons"]
