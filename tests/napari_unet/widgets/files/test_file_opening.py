"""Opening through napari, in a thread."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QProgressDialog, QPushButton

from napari_unet.widgets.common.dock import PLUGIN
from napari_unet.widgets.files.file_opening import open_layer
from training.errors import UserError
from training.formats.stack import Stack
from training.opening import open_stack


class SlowStack(Stack):
    """A file whose slice is not read until somebody says so."""

    name, shape, dtype = "slow", (1, 8, 8), np.dtype(np.uint8)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked, self.answers, self.is_closed = threading.Event(), threading.Event(), False

    def read(self, index: int) -> np.ndarray:
        assert threading.current_thread() is not threading.main_thread()
        self.asked.set()
        assert self.answers.wait(60)
        return np.arange(64, dtype=np.uint8).reshape(8, 8)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlowStack:
    (tmp_path / "slow.tif").touch()
    stack = SlowStack(tmp_path / "slow.tif")

    def open_one(path: Path) -> Stack:
        return stack if path == stack.path else open_stack(path)

    monkeypatch.setattr("napari_unet.stacks.napari_reader.open_stack", open_one)
    return stack


def test_the_window_lives_while_a_file_is_opened(viewer: Viewer, slow: SlowStack) -> None:
    QTimer.singleShot(0, slow.answers.set)
    [layer] = viewer.open(slow.path, plugin=PLUGIN)
    assert layer.name == "slow" and layer.data.shape == (8, 8)


def test_what_is_opened_while_a_file_is_read_lies_above_it(
    viewer: Viewer, slow: SlowStack, tmp_path: Path, qtbot: QtBot
) -> None:
    before = [layer.name for layer in viewer.layers]
    for name in ("second", "third"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((2, 8, 8), np.uint8))

    def open_others() -> None:
        if not slow.asked.is_set():
            QTimer.singleShot(5, open_others)
            return
        for name in ("second", "third"):
            viewer.open(tmp_path / f"{name}.tif", plugin=PLUGIN)
        slow.answers.set()

    QTimer.singleShot(0, open_others)
    viewer.open(slow.path, plugin=PLUGIN)
    wanted = [*before, "slow", "second", "third"]
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers] == wanted)


@pytest.mark.parametrize("how", ["napari's menu", "a project"])
def test_opening_can_be_cancelled(
    viewer: Viewer, slow: SlowStack, in_dialogs: Callable[..., list[Any]], how: str
) -> None:
    def cancel(dialog: QProgressDialog) -> None:
        assert dialog.labelText() == "Opening slow.tif…"
        dialog.findChild(QPushButton).click()
        slow.answers.set()

    names = [layer.name for layer in viewer.layers]
    answered = in_dialogs(cancel)
    if how == "a project":
        with pytest.raises(UserError, match=r"slow\.tif was not opened: you cancelled that"):
            open_layer(viewer, slow.path)
    else:
        assert viewer.open(slow.path, plugin=PLUGIN) == []
    assert answered and slow.is_closed
    assert [layer.name for layer in viewer.layers] == names


def test_a_layer_is_not_made_of_one_stack_among_several(viewer: Viewer, tmp_path: Path) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(UserError, match="holds 2 stacks, not one"):
        open_layer(viewer, tmp_path)
