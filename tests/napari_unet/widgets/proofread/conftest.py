"""A viewer with four neurons, and what a person does in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton

from napari_unet.layers.plugin_layers import add_neurons, add_probability
from napari_unet.widgets.proofread.dock import NeuronsDock
from tests.napari_unet.widgets.conftest import on_canvas

Button = Callable[..., QPushButton]
Drag = Callable[..., None]
Press = Callable[..., None]
KEYS = Qt.Key
Gate = threading.Event


@pytest.fixture
def neurons(viewer: Viewer) -> Labels:
    """Four quarters in the shape of the tissue, with membrane between and within the first."""
    tissue = viewer.layers["tissue"]
    _, height, width = tissue.data.shape
    data = np.zeros(tissue.data.shape, np.int32)
    middle = height // 2, width // 2
    data[:, : middle[0], : middle[1]], data[:, : middle[0], middle[1] :] = 1, 2
    data[:, middle[0] :, : middle[1]], data[:, middle[0] :, middle[1] :] = 3, 4
    probability = np.zeros(data.shape, np.float32)
    for row in (middle[0] - 1, middle[0], middle[0] // 2):
        probability[:, row] = 0.9
    probability[:, :, middle[1] - 1 : middle[1] + 1] = 0.9
    add_probability(viewer, probability, tissue, "probability")
    return add_neurons(viewer, data, tissue, "neurons")


@pytest.fixture
def dock(viewer: Viewer, neurons: Labels, qtbot: QtBot) -> NeuronsDock:
    return open_dock(viewer, qtbot)


def open_dock(viewer: Viewer, qtbot: QtBot) -> NeuronsDock:
    dock = NeuronsDock(viewer)
    viewer.window.add_dock_widget(dock, name="Neurons")
    viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: button_of(dock, "Merge").isEnabled())
    return dock


def button_of(dock: NeuronsDock, name: str) -> QPushButton:
    return next(b for b in dock.findChildren(QPushButton) if b.text().startswith(name))


def shown(dock: NeuronsDock, name: str) -> QPushButton | None:
    found = [b for b in dock.findChildren(QPushButton) if b.text() == name and b.isVisible()]
    return found[0] if found else None


def text(dock: NeuronsDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def says(dock: NeuronsDock, words: str) -> bool:
    return words in text(dock)


def quarter(neurons: Labels, row: float, column: float) -> tuple[float, float]:
    """A place by its share of the slice's height and width."""
    return round(row * neurons.data.shape[1]), round(column * neurons.data.shape[2])


def click(
    viewer: Viewer,
    neurons: Labels,
    place: tuple[float, float],
    qtbot: QtBot,
    *,
    shift: bool = False,
) -> None:
    native = viewer.window._qt_viewer.canvas.native
    held = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    qtbot.mouseMove(native, on_canvas(viewer, neurons, place))
    qtbot.mouseClick(native, Qt.MouseButton.LeftButton, held, on_canvas(viewer, neurons, place))


@pytest.fixture
def press(viewer: Viewer, qtbot: QtBot) -> Callable[..., None]:
    def press_key(key: Qt.Key, held: Any = Qt.KeyboardModifier.NoModifier) -> None:
        qtbot.keyClick(viewer.window._qt_viewer.canvas.native, key, held)

    return press_key


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str, int], Gate]]:
    """``held(owner, name, n)`` keeps the n-th call of a function waiting, as a large slice would.

    Until the gate that it gives is set.
    """
    gates = []

    def hold(owner: Any, name: str, number: int) -> Gate:
        function, gate, calls = getattr(owner, name), Gate(), []
        gates.append(gate)

        def wait_and_call(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            if len(calls) == number:
                gate.wait()
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, wait_and_call)
        return gate

    yield hold
    for gate in gates:
        gate.set()


def becomes(layer: Labels, wanted: NDArray[Any], qtbot: QtBot) -> None:
    """Wait until a layer has these pixels: operations and their undo are done in a thread."""
    qtbot.waitUntil(lambda: np.array_equal(layer.data, wanted))


def undo_and_redo(neurons: Labels, before: NDArray[Any], press: Press, qtbot: QtBot) -> None:
    after = neurons.data.copy()
    assert (after != before).any()
    control = Qt.KeyboardModifier.ControlModifier
    press(KEYS.Key_Z, control)
    becomes(neurons, before, qtbot)
    press(KEYS.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    becomes(neurons, after, qtbot)
    press(KEYS.Key_Z, control)
    becomes(neurons, before, qtbot)
