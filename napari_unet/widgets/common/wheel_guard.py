"""Keeps the mouse wheel from changing what it only passes over."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollBar, QWidget

_TURNED_BY_WHEEL = (QComboBox, QAbstractSpinBox, QAbstractSlider)


class WheelGuard(QObject):
    """Passes the wheel on to what scrolls, unless a control has the keyboard's focus.

    Parameters
    ----------
    parent : QObject
        It lives as long as this one.
    """

    def guard(self, widget: QWidget) -> None:
        """Guard all controls inside a widget that turn by the wheel."""
        for control in widget.findChildren(QWidget):
            if isinstance(control, _TURNED_BY_WHEEL) and not isinstance(control, QScrollBar):
                if control.focusPolicy() == Qt.FocusPolicy.WheelFocus:  # else it takes the focus
                    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)

    def eventFilter(self, control: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        is_idle = isinstance(control, QWidget) and not control.hasFocus()
        if is_idle and event is not None and event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return super().eventFilter(control, event)
