"""A drop-down that says where a name is cut."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QHelpEvent, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)

from napari_unet.widgets.common.messages import plain_tooltip


class ElidingComboBox(QComboBox):
    """Shows as much of the chosen name as there is room for; a cut one is all in the tooltip.

    Long names do not widen the dock.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def shown_text(self) -> str:
        """The chosen name, or the placeholder, with an ellipsis where it is cut."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style: Any = self.style()
        place = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        text = self.currentText() or self.placeholderText()
        return self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, place.width())

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        if self.currentIndex() < 0:
            super().paintEvent(event)  # the placeholder, in its own colour
            return
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown_text
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent | None) -> bool:
        """Begin the tooltip with a name that is cut."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            name = self.currentText()
            if name and self.shown_text != name:
                tooltip = plain_tooltip(f"{name}\n{self.toolTip()}")
                QToolTip.showText(event.globalPos(), tooltip, self)
                return True
        return super().event(event)
