"""A name that is too long for a drop-down is cut with an ellipsis, and told by the tooltip."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QPoint
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QComboBox, QToolTip

from napari_unet.widgets.common.eliding_combo import ElidingComboBox

LONG = "2026-11-26 FIB-SEM, crop <3>, denoised"
WIDTH = 120  # pixels


@pytest.fixture
def combo(qtbot: QtBot) -> ElidingComboBox:
    combo = ElidingComboBox()
    combo.setToolTip("The image to predict.")
    combo.addItems([LONG, "short"])
    combo.resize(WIDTH, combo.sizeHint().height())
    qtbot.addWidget(combo)
    return combo


def test_a_long_name_is_painted_with_an_ellipsis(combo: ElidingComboBox, qtbot: QtBot) -> None:
    assert combo.shown_text.endswith("…") and LONG.startswith(combo.shown_text[:-1])
    plain = QComboBox()
    qtbot.addWidget(plain)
    plain.addItem(combo.shown_text)
    plain.resize(combo.size())
    assert combo.grab().toImage() == plain.grab().toImage()


def test_a_name_that_fits_is_shown_whole(combo: ElidingComboBox) -> None:
    combo.setCurrentText("short")
    assert combo.shown_text == "short"
    combo.setCurrentText(LONG)
    combo.resize(600, combo.height())
    assert combo.shown_text == LONG


def test_the_tooltip_begins_with_a_name_that_is_cut(combo: ElidingComboBox, qtbot: QtBot) -> None:
    combo.show()
    point = QPoint(5, 5)
    help_event = QHelpEvent(QEvent.Type.ToolTip, point, combo.mapToGlobal(point))
    QApplication.sendEvent(combo, help_event)
    assert "crop &lt;3&gt;, denoised<br>The image to predict." in QToolTip.text()
    QToolTip.hideText()
