"""File > Open Sample, in a thread."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from napari import Viewer
from qtpy.QtWidgets import QProgressDialog, QPushButton

from napari_unet.stacks import sample_data
from napari_unet.widgets.common.dock import PLUGIN
from training.errors import UserError
from training.stacks.synthetic import OnSlice, synthetic_stack


def test_the_drawing_of_a_sample_can_be_cancelled(
    viewer: Viewer, in_dialogs: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_cancelled, drawn = threading.Event(), []

    def draw(on_slice: OnSlice) -> object:
        assert is_cancelled.wait(60)
        return drawn.append(synthetic_stack(2, 64, on_slice=on_slice))

    def cancel(dialog: QProgressDialog) -> None:
        assert dialog.labelText() == "Drawing the sample…"
        dialog.findChild(QPushButton).click()
        is_cancelled.set()

    monkeypatch.setattr(sample_data, "synthetic_stack", draw)
    names = [layer.name for layer in viewer.layers]
    answered = in_dialogs(cancel)
    with pytest.raises(UserError, match="not drawn: you cancelled that"):
        viewer.open_sample(PLUGIN, "synthetic")
    assert answered and not drawn
    assert [layer.name for layer in viewer.layers] == names
