"""A list of operations, done again on other neurons of the same image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_unet.projects.operation_list import append_lines
from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.edits import Edit
from napari_unet.proofreading.history import History
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import Operation
from napari_unet.widgets.proofread.dock import NeuronsDock
from tests.napari_unet.widgets.proofread.conftest import (
    KEYS,
    Gate,
    Press,
    becomes,
    button_of,
    click,
    quarter,
    says,
    text,
)


@pytest.fixture
def chosen_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a person chooses in the dialog."""
    path = tmp_path / "operations.jsonl"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    return path


def test_a_list_is_done_again_and_what_is_not_is_told(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    chosen_file: Path,
    press: Press,
    qtbot: QtBot,
) -> None:
    before = neurons.data.copy()
    other = neurons.data * 7
    height, width = other.shape[1:]
    other[:, 2, 2] = 99  # a speck that these neurons have not: there the first one is
    other[:, 2:5, 4:7] = 0
    history = History(Neurons(other, BodyIndex(other)))
    for kind, places in {
        "merge": ((2, 9, 9), (2, 9, width - 5)),
        "delete": ((3, height - 5, 5),),
        "new": ((4, 3, 5),),
    }.items():
        history.do(Operation(kind=kind, strokes=(places,)))
    append_lines(chosen_file, history.lines)
    button_of(dock, "Replay").click()
    qtbot.waitUntil(lambda: says(dock, "Did 2 of 3 operations again."))
    assert "Not done: new on slice 4: Nothing is free under the stroke" in text(dock)
    assert set(np.unique(neurons.data)) == {0, 1, 4}
    assert (neurons.data == 1).sum() == (before <= 2).sum()
    for _ in range(2):
        press(KEYS.Key_Z, Qt.KeyboardModifier.ControlModifier)
    becomes(neurons, before, qtbot)


def test_what_was_done_of_a_list_is_drawn_when_other_neurons_are_chosen(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    chosen_file: Path,
    held: Callable[[Any, str, int], Gate],
    qtbot: QtBot,
) -> None:
    history = History(Neurons(other := neurons.data.copy(), BodyIndex(other)))
    for column in (5, other.shape[2] - 5):
        history.do(Operation(kind="delete", strokes=(((2, 5, column),),)))
    append_lines(chosen_file, history.lines)
    gate = held(Edit, "change", 2)
    button_of(dock, "Replay").click()
    qtbot.waitUntil(lambda: not (neurons.data[3] == 1).any())
    drawn = []
    neurons.events.set_data.connect(lambda _: drawn.append(set(np.unique(neurons.data))))
    dock._labels.choose(viewer.add_labels(other, name="other"))
    gate.set()
    qtbot.waitUntil(lambda: drawn[-1:] == [{0, 2, 3, 4}])


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "has no operations on neurons"), (b"rubbish\n", "line 1, is not an operation")],
)
def test_a_file_of_something_else_is_refused(
    dock: NeuronsDock,
    neurons: Labels,
    chosen_file: Path,
    content: bytes,
    why: str,
    qtbot: QtBot,
) -> None:
    before = neurons.data.copy()
    chosen_file.write_bytes(content)
    button_of(dock, "Replay").click()
    qtbot.waitUntil(lambda: says(dock, why))
    np.testing.assert_array_equal(neurons.data, before)
    assert button_of(dock, "Merge").isEnabled()


def test_what_is_asked_for_after_a_list_that_is_refused_is_done(
    viewer: Viewer,
    dock: NeuronsDock,
    neurons: Labels,
    chosen_file: Path,
    held: Callable[[Any, str, int], Gate],
    press: Press,
    qtbot: QtBot,
) -> None:
    before = neurons.data.copy()
    chosen_file.write_bytes(b"")
    gate = held(Edit, "change", 2)
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    press(KEYS.Key_R)
    button_of(dock, "Replay").click()
    press(KEYS.Key_Z, Qt.KeyboardModifier.ControlModifier)
    gate.set()
    qtbot.waitUntil(lambda: button_of(dock, "Redo").isEnabled())  # it was deleted, and undone
    np.testing.assert_array_equal(neurons.data, before)
