"""Buttons give napari's own brush to a layer, and follow it however it is changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSlider, QWidget

from napari_unet.widgets.common.brush_buttons import Brush, BrushButtons
from napari_unet.widgets.common.brush_hand import BrushHand

Button = Callable[[QWidget, str], QPushButton]
BRUSHES = (Brush("Membrane", "A", 1, "#ff0000"), Brush("Erase", "E", 0, "#808080"))
MEMBRANE, ERASE = (f"{brush.name}  ({brush.key})" for brush in BRUSHES)


@pytest.fixture
def buttons(qtbot: QtBot) -> BrushButtons:
    buttons = BrushButtons(BRUSHES)
    qtbot.addWidget(buttons)
    return buttons


@pytest.fixture
def layer(viewer: Viewer) -> Labels:
    layer = viewer.add_labels(np.zeros((7, 61, 83), np.uint8), name="strokes")
    viewer.layers.selection.active = viewer.layers["tissue"]
    return layer


@pytest.fixture
def hand(viewer: Viewer, buttons: BrushButtons, layer: Labels) -> BrushHand:
    hand = BrushHand(viewer, buttons)
    hand.hold(layer)
    return hand


@pytest.mark.usefixtures("hand")
def test_a_button_gives_the_layer_its_brush(
    viewer: Viewer, buttons: BrushButtons, layer: Labels, button: Button
) -> None:
    layer.visible = False
    button(buttons, MEMBRANE).click()
    assert viewer.layers.selection.active is layer and layer.visible
    assert str(layer.mode) == "paint" and layer.selected_label == 1
    button(buttons, ERASE).click()
    assert str(layer.mode) == "erase" and layer.selected_label == 1
    assert button(buttons, ERASE).isChecked() and not button(buttons, MEMBRANE).isChecked()


@pytest.mark.usefixtures("hand")
def test_buttons_follow_what_is_changed_elsewhere(
    viewer: Viewer, buttons: BrushButtons, layer: Labels, button: Button
) -> None:
    viewer.layers.selection.active = layer
    layer.mode, layer.selected_label, layer.brush_size = "paint", 1, 17
    assert button(buttons, MEMBRANE).isChecked()
    assert buttons.findChild(QSlider).value() == 17
    layer.selected_label = 2  # no button's
    assert not button(buttons, MEMBRANE).isChecked()
    layer.mode = "pan_zoom"
    assert not button(buttons, ERASE).isChecked()


@pytest.mark.usefixtures("hand")
def test_no_brush_is_shown_while_the_canvas_paints_on_another_layer(
    viewer: Viewer, buttons: BrushButtons, layer: Labels, button: Button
) -> None:
    button(buttons, MEMBRANE).click()
    viewer.layers.selection.active = viewer.layers["tissue"]
    assert not button(buttons, MEMBRANE).isChecked()
    viewer.layers.selection.active = layer
    assert button(buttons, MEMBRANE).isChecked()


@pytest.mark.usefixtures("hand")
def test_the_slider_changes_the_brush(buttons: BrushButtons, layer: Labels) -> None:
    buttons.findChild(QSlider).setValue(23)
    assert layer.brush_size == 23


@pytest.mark.usefixtures("hand")
def test_keys_take_a_brush_on_the_canvas(viewer: Viewer, layer: Labels, qtbot: QtBot) -> None:
    viewer.layers.selection.active = layer
    native = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(native, Qt.Key.Key_A)
    assert str(layer.mode) == "paint"
    qtbot.keyClick(native, Qt.Key.Key_E)
    assert str(layer.mode) == "erase"


def test_a_layer_that_was_let_go_is_followed_no_more(
    hand: BrushHand, buttons: BrushButtons, layer: Labels, button: Button
) -> None:
    button(buttons, MEMBRANE).click()
    hand.hold(None)
    assert not buttons.isEnabled() and not button(buttons, MEMBRANE).isChecked()
    layer.mode = "erase"
    assert not button(buttons, ERASE).isChecked()
    hand.take(BRUSHES[0])
    assert str(layer.mode) == "erase"
