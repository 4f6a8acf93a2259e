from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from pyqtgraph import PlotWidget
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_unet.widgets.common.wheel_guard import WheelGuard
from napari_unet.widgets.evaluate.plot import DicePlot
from napari_unet.widgets.train.curves_view import CurvesView


def make_control(kind: type[QWidget]) -> QWidget:
    control = kind()
    if isinstance(control, QComboBox):
        control.addItems(["compact", "medical"])
    return control


def value(control: QWidget) -> int:
    return control.currentIndex() if isinstance(control, QComboBox) else control.value()


def turn_wheel(control: QWidget, notches: int) -> bool:
    """Turn the wheel over the middle of a control; returns whether the control takes it.

    What it leaves, Qt passes on to the area around it; but not in a test, which has no mouse.
    """
    place = QPointF(control.rect().center())
    event = QWheelEvent(
        place,
        QPointF(control.mapToGlobal(place.toPoint())),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, event)
    return event.isAccepted()


@pytest.mark.parametrize("kind", [QComboBox, QSpinBox, QSlider])
def test_the_wheel_changes_a_control_with_focus_alone(kind: type[QWidget], qtbot: QtBot) -> None:
    window, other, control = QWidget(), QPushButton(), make_control(kind)
    qtbot.addWidget(window)
    layout = QVBoxLayout(window)
    for widget in (other, control):
        layout.addWidget(widget)
    guard = WheelGuard(window)
    guard.guard(window)
    with qtbot.waitExposed(window):
        window.show()
    other.setFocus()
    up = -1 if kind is QComboBox else 1
    assert not turn_wheel(control, up)
    assert value(control) == 0
    assert control.focusPolicy() == Qt.FocusPolicy.StrongFocus
    window.activateWindow()
    control.setFocus()
    qtbot.waitUntil(control.hasFocus)
    assert turn_wheel(control, up)
    assert value(control) > 0


@pytest.mark.parametrize(
    "make", [partial(CurvesView, "dark", is_logarithmic=False), partial(DicePlot, "dark")]
)
def test_the_wheel_zooms_no_plot(make: Callable[[], QWidget], qtbot: QtBot) -> None:
    view = make()
    qtbot.addWidget(view)
    with qtbot.waitExposed(view):
        view.show()
    plots = [view] if isinstance(view, PlotWidget) else view.findChildren(PlotWidget)
    assert plots
    for plot in plots:
        box = plot.getPlotItem().getViewBox()
        before = np.array(box.viewRange())
        turn_wheel(plot.viewport(), 8)
        np.testing.assert_array_equal(box.viewRange(), before)
