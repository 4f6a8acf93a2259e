"""Swapping membrane and inside while the window goes on."""

import threading
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QProgressDialog

from napari_unet.widgets.correct import mask_swap
from napari_unet.widgets.correct.mask_swap import swap_membrane
from tests.training.stacks.indexed_pixels import IndexedPixels

STACK = np.zeros((3, 8, 9), np.uint8)


class HeldPixels(IndexedPixels):
    """Lets a thread read one slice, and the others when it is released."""

    def __init__(self, pixels: np.ndarray) -> None:
        super().__init__(pixels)
        self.is_held, self.is_released = threading.Event(), threading.Event()

    def __getitem__(self, key: Any) -> np.ndarray:
        is_window_s = threading.current_thread() is threading.main_thread()
        if key == (1,) and not is_window_s:
            self.is_held.set()
            self.is_released.wait(60)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._pixels[key] = value


def wait(qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not mask_swap._running)


def test_membrane_and_inside_are_swapped_in_selected_masks(qtbot: QtBot) -> None:
    viewer = ViewerModel()
    mask = viewer.add_labels(np.arange(27, dtype=np.int32).reshape(3, 3, 3) % 3)
    flat = viewer.add_labels(mask.data[0].copy())
    other = viewer.add_labels(STACK.copy())
    image = viewer.add_image(STACK)
    viewer.layers.selection = {mask, flat, image}
    former = mask.data.copy()
    swap_membrane(viewer)
    wait(qtbot)
    np.testing.assert_array_equal(mask.data, former == 0)
    np.testing.assert_array_equal(flat.data, former[0] == 0)
    assert not other.data.any() and not image.data.any()
    swap_membrane(viewer)
    wait(qtbot)
    np.testing.assert_array_equal(mask.data, former != 0)


def test_all_resolutions_are_swapped(qtbot: QtBot) -> None:
    viewer = ViewerModel()
    sizes = [STACK.copy(), STACK[:, ::2, ::2].copy()]
    for size in sizes:
        size[:, 2] = 5
    mask = viewer.add_labels(sizes, multiscale=True)
    swap_membrane(viewer)
    wait(qtbot)
    for swapped, size in zip(mask.data, sizes, strict=True):
        np.testing.assert_array_equal(swapped, size == 0)


def test_what_is_painted_meanwhile_is_swapped_as_well(viewer: Viewer, qtbot: QtBot) -> None:
    pixels = HeldPixels(np.zeros((7, 61, 83), np.uint8))
    mask = viewer.add_labels(pixels, name="mine")
    swap_membrane(viewer)
    assert pixels.is_held.wait(60)  # the window is free: it paints on a slice that is read already
    mask.brush_size = 1
    mask.paint((0, 30, 40), 1)
    pixels.is_released.set()
    wait(qtbot)
    expected = np.ones((7, 61, 83), np.uint8)
    expected[0, 30, 40] = 0
    np.testing.assert_array_equal(mask.data, expected)


def test_a_mask_with_other_pixels_meanwhile_is_swapped_anew(viewer: Viewer, qtbot: QtBot) -> None:
    pixels = HeldPixels(np.zeros((7, 61, 83), np.uint8))
    mask = viewer.add_labels(pixels)
    swap_membrane(viewer)
    assert pixels.is_held.wait(60)
    mask.data = np.ones((7, 61, 83), np.uint8)
    pixels.is_released.set()
    wait(qtbot)
    assert not mask.data.any()


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_swap_that_is_cancelled_or_of_a_removed_mask_changes_nothing(
    viewer: Viewer, qtbot: QtBot, is_removed: bool
) -> None:
    pixels = HeldPixels(np.zeros((7, 61, 83), np.uint8))
    mask = viewer.add_labels(pixels, name="mine")
    swap_membrane(viewer)
    assert pixels.is_held.wait(60)
    dialogs = [w for w in QApplication.topLevelWidgets() if isinstance(w, QProgressDialog)]
    [progress] = [dialog for dialog in dialogs if "Swapping mine" in dialog.labelText()]
    if is_removed:
        viewer.layers.remove(mask)
    else:
        progress.canceled.emit()
    pixels.is_released.set()
    wait(qtbot)
    assert mask.data is pixels and not np.asarray(pixels).any()
