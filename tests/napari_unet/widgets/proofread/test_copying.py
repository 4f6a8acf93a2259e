"""Neurons that lie in a zarr: a copy of them is mended, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot

from napari_unet.stacks import lazy_pixels
from napari_unet.stacks.napari_writer import write_labels
from napari_unet.widgets.proofread import copying
from napari_unet.widgets.proofread.dock import NeuronsDock
from tests.napari_unet.widgets.proofread.conftest import (
    KEYS,
    Drag,
    Gate,
    Press,
    becomes,
    button_of,
    click,
    quarter,
    says,
    shown,
    text,
)
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.masks.writer_choice import write_stack
from training.opening import open_stack

COPY, LEARN = "Copy to mend", "Use as labels to learn from"


def lazy_dock(viewer: Viewer, lazy: Labels, qtbot: QtBot) -> NeuronsDock:
    dock = NeuronsDock(viewer)
    viewer.window.add_dock_widget(dock, name="Neurons")
    viewer.layers.selection.active = lazy
    qtbot.waitUntil(lambda: button_of(dock, COPY).isVisible())
    assert not button_of(dock, "Merge").isEnabled()
    return dock


def quarters(viewer: Viewer) -> np.ndarray:
    depth, height, width = viewer.layers["tissue"].data.shape
    page = 1 + (np.arange(height) >= height // 2)[:, None] * 2 + (np.arange(width) >= width // 2)
    return np.repeat(page[np.newaxis].astype(np.uint32), depth, axis=0)


def test_neurons_of_a_zarr_are_copied_and_mended(
    viewer: Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, press: Press, qtbot: QtBot
) -> None:
    monkeypatch.setattr(lazy_pixels, "EDITABLE_BYTES", 0)  # as if it were a large one
    path, ids = tmp_path / "neurons.zarr", quarters(viewer)
    size = PixelSize(50, 4, 4)
    write_stack(path, ids, np.uint32, is_label=True, pixel_size=size)
    [lazy] = viewer.open(path, plugin="napari-unet-mindspore")
    assert isinstance(lazy.data, da.Array)
    dock = lazy_dock(viewer, lazy, qtbot)
    assert "'neurons' is read from its file" in text(dock)
    assert f"Takes {ids.nbytes / 2**10:.2f} kiB of memory; " in text(dock)
    button_of(dock, COPY).click()
    qtbot.waitUntil(lambda: button_of(dock, "Merge").isEnabled())
    neurons = viewer.layers["neurons to mend"]
    np.testing.assert_array_equal(neurons.data, ids)
    np.testing.assert_array_equal(neurons.scale, viewer.layers["tissue"].scale)
    assert (lazy.visible, neurons.visible) == (False, True)
    assert not button_of(dock, COPY).isVisible()
    assert says(dock, "save it under another name")
    click(viewer, neurons, quarter(neurons, 0.3, 0.3), qtbot)
    click(viewer, neurons, quarter(neurons, 0.7, 0.7), qtbot, shift=True)
    press(KEYS.Key_J)
    qtbot.waitUntil(lambda: says(dock, "Merged into neuron 1."))
    assert set(np.unique(neurons.data)) == {1, 2, 3}
    with pytest.raises(UserError, match=r"neurons.zarr is open as the layer 'neurons'"):
        write_labels(str(path), *neurons.as_layer_data_tuple()[:2])
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack[3], ids[3])


def test_what_is_too_large_for_the_memory_is_copied_to_the_disk(
    viewer: Viewer,
    tmp_path: Path,
    held: Callable[[Any, str, int], Gate],
    monkeypatch: pytest.MonkeyPatch,
    press: Press,
    drag: Drag,
    qtbot: QtBot,
) -> None:
    ids = quarters(viewer)
    array = zarr.create_array(tmp_path / "a.zarr", shape=ids.shape, chunks=(2, 99, 99), dtype="u4")
    array[:] = ids
    lazy = viewer.add_labels(
        [array, ids[::2, ::2, ::2]], multiscale=True, name="ids", scale=(50, 4, 4), units="nm"
    )
    free = SimpleNamespace(available=2 * ids.nbytes - 1)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    dock = lazy_dock(viewer, lazy, qtbot)
    click(viewer, lazy, (20, 20), qtbot)  # napari gives a level with the value of such a layer
    assert "'ids' has several resolutions" in text(dock)
    assert f"Too large for the memory: takes {ids.nbytes / 2**10:.2f} kiB in {tmp_path}" in text(
        dock
    )
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=ids.nbytes - 1))
        button_of(dock, COPY).click()
        qtbot.waitUntil(lambda: says(dock, "A copy of 'ids' takes 0.0 GiB, and the disk of"))
    assert says(dock, "napari-unet segment --region") and says(dock, "TMPDIR")

    gate = held(copying, "as_stack", 1)
    button_of(dock, COPY).click()
    qtbot.waitUntil(lambda: shown(dock, "Stop") is not None)
    assert says(dock, "Copying the neurons…")
    shown(dock, "Stop").click()
    gate.set()
    qtbot.waitUntil(lambda: says(dock, "Stopped: nothing was copied."))
    assert shown(dock, "Stop") is None

    chunk = next(path for path in (tmp_path / "a.zarr/c/3").rglob("*") if path.is_file())
    whole = chunk.read_bytes()
    chunk.write_bytes(b"damaged")
    button_of(dock, COPY).click()
    qtbot.waitUntil(lambda: says(dock, "can't be read"))
    assert [layer.name for layer in viewer.layers] == ["tissue", "ids"]
    assert lazy.visible

    chunk.write_bytes(whole)
    button_of(dock, COPY).click()
    qtbot.waitUntil(lambda: button_of(dock, "Merge").isEnabled())
    neurons = viewer.layers["ids to mend"]
    assert isinstance(neurons.data, np.memmap) and not lazy.visible
    becomes(neurons, ids, qtbot)
    press(KEYS.Key_J)
    drag(neurons, quarter(neurons, 0.3, 0.3), quarter(neurons, 0.7, 0.3))
    qtbot.waitUntil(lambda: says(dock, "Merged into neuron 1."))
    merged = np.where(ids == 3, 1, ids)
    becomes(neurons, merged, qtbot)
    button_of(dock, "Undo").click()
    qtbot.waitUntil(button_of(dock, "Redo").isEnabled)
    np.testing.assert_array_equal(neurons.data, ids)
    button_of(dock, "Redo").click()
    button_of(dock, LEARN).click()
    qtbot.waitUntil(lambda: "ids to mend truth" in viewer.layers)
    truth = viewer.layers["ids to mend truth"].data
    assert isinstance(truth, np.memmap)
    np.testing.assert_array_equal(truth, merged)
