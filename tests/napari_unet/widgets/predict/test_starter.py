"""The Predict dock before anything was trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QLabel

from training.metrics.pixel_metrics import overlap_figures
from training.stacks.synthetic import synthetic_stack


def test_a_stack_and_one_press_show_membranes(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, button: Callable[..., object]
) -> None:
    viewer = make_napari_viewer(show=True)
    images, labels = synthetic_stack(2, 128)
    viewer.add_image(255 - images, name="tissue")
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    models, *others = dock.findChildren(QComboBox)
    [membranes] = [box for box in others if box.findText("Light") >= 0]
    qtbot.waitUntil(lambda: models.currentText() == "Starter (no training)")

    def predicted() -> np.ndarray:
        button(dock, "Predict all slices").click()
        qtbot.waitUntil(lambda: button(dock, "Predict all slices").isEnabled(), timeout=30_000)
        return np.array(viewer.layers["tissue mask"].data) != 0

    assert overlap_figures(predicted(), labels == 0)["dice"] > 0.75
    shown = [label.text() for label in dock.findChildren(QLabel) if label.isVisibleTo(dock)]
    assert any("Membranes are light in this stack" in text for text in shown)
    membranes.setCurrentText("Dark")
    assert overlap_figures(predicted(), labels == 0)["dice"] < 0.5
