"""Finds what a person would call broken in a dock as it is shown: cut texts, hidden buttons…"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from pyqtgraph import PlotWidget
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QComboBox,
    QGroupBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QTabBar,
    QTableView,
    QWidget,
)
from superqt import QElidingLabel

from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.vertical_scroll import VerticalScrollArea
from napari_unet.widgets.measure.table import MeasuresTable

# Their own parts overlap by design.
_WHOLE = (QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QTabBar)
_ARROW = 18  # pixels of a drop-down's arrow
_MARGIN = 4  # pixels that a text needs beside it in a cell, on a tab or in a field


def faults_of(dock: Dock) -> list[str]:
    """List the faults of a dock that is in front, each with the widget it is about."""
    return [
        *_cut_texts(dock),
        *_hidden_parts(dock),
        *_sideways_scrolling(dock),
        *_overlaps(dock),
    ]


def tab_faults(bar: QTabBar) -> list[str]:
    """List the tabs whose names don't fit, and those that can be reached by arrows only."""
    faults = []
    for index in range(bar.count()):
        place, text = bar.tabRect(index), bar.tabText(index)
        if max(place.width(), place.height()) < _width(bar, text):  # it stands where it is higher
            faults.append(f"the name of the tab {text!r} is cut")
        if not bar.rect().contains(place):
            faults.append(f"the tab {text!r} is not in sight")
    return faults


def _cut_texts(dock: Dock) -> Iterator[str]:
    for widget in _visible(dock):
        for text, needed, given in _texts(widget):
            if needed > given:
                yield f"{_name(widget)}: {text!r} needs {needed} pixels and has {given}"


def _texts(widget: Any) -> Iterator[tuple[str, int, int]]:
    """Texts of a widget, each with the pixels that it needs and that it has."""
    if isinstance(widget, QElidingLabel):
        if widget._elidedText() != widget.text() and not widget.toolTip():
            yield f"{widget.text()}, which no tooltip tells", 1, 0
    elif isinstance(widget, QLabel):
        if widget.wordWrap():
            yield widget.text(), widget.heightForWidth(widget.width()), widget.height()
        elif widget.text():
            yield widget.text(), widget.sizeHint().width(), widget.width()
            yield widget.text(), widget.sizeHint().height(), widget.height()
    elif isinstance(widget, QAbstractButton):
        if widget.text():
            yield widget.text(), widget.sizeHint().width(), widget.width()
    elif isinstance(widget, QComboBox):
        text = widget.currentText() or widget.placeholderText()
        yield text, _width(widget, text), widget.width() - _ARROW
    elif isinstance(widget, QAbstractSpinBox):
        text = widget.text()
        yield text, _width(widget, text), widget.lineEdit().width()
    elif isinstance(widget, QLineEdit):
        yield widget.text(), _width(widget, widget.text()), widget.width()
    elif isinstance(widget, QGroupBox):
        yield widget.title(), _width(widget, widget.title()), widget.width()
    elif isinstance(widget, QTabBar):
        for index in range(widget.count()):
            text = widget.tabText(index)
            yield text, _width(widget, text), widget.tabRect(index).width()
    elif isinstance(widget, QTableView):
        yield from _texts_of_table(widget)


def _texts_of_table(table: Any) -> Iterator[tuple[str, int, int]]:
    model, header = table.model(), table.horizontalHeader()
    for column in range(model.columnCount()):
        if table.isColumnHidden(column):
            continue
        given = table.columnWidth(column)
        title = str(model.headerData(column, Qt.Orientation.Horizontal))
        yield title, _width(header, title), given
        for row in range(min(model.rowCount(), 3)):
            text = str(model.index(row, column).data() or "")
            yield text, _width(table, text), given


def _hidden_parts(dock: Dock) -> Iterator[str]:
    """Buttons and plots out of sight; those of a form that scrolls inside the dock may be."""
    for part in _visible(dock):
        if isinstance(part, (QAbstractButton, PlotWidget)) and not _scrolls_inside(part, dock):
            seen = part.visibleRegion().boundingRect()
            if not seen.contains(part.rect()):
                yield f"{_name(part)} is out of sight, but for {seen.width()} x {seen.height()}"


def _sideways_scrolling(dock: Dock) -> Iterator[str]:
    for area in [dock, *_visible(dock)]:
        if isinstance(area, MeasuresTable):  # of more measures than a dock has room for
            continue
        if isinstance(area, QAbstractScrollArea) and area.horizontalScrollBar().isVisible():
            yield f"{_name(area)} has a horizontal scroll bar"
        if isinstance(area, VerticalScrollArea):
            width, room = area.content.width(), area.viewport().width()
            if width > room:
                yield f"{_name(area)}: content of {width} pixels in {room}"


def _overlaps(dock: Dock) -> Iterator[str]:
    for parent in [dock.content, *_visible(dock)]:
        if isinstance(parent, (*_WHOLE, QAbstractScrollArea)):
            continue
        parts = [part for part in parent.findChildren(QWidget, "", _DIRECT) if part.isVisible()]
        for part, other in combinations(parts, 2):
            common = _place(part, dock).intersected(_place(other, dock))
            if not common.isEmpty():
                yield f"{_name(part)} and {_name(other)} overlap: {common}"


_DIRECT = Qt.FindChildOption.FindDirectChildrenOnly


def _visible(dock: Dock) -> Iterator[QWidget]:
    """The parts of a dock that are shown, without the parts that Qt makes of a control."""
    for widget in dock.content.findChildren(QWidget):
        if widget.isVisible() and not isinstance(widget.parentWidget(), _WHOLE):
            yield widget


def _scrolls_inside(widget: QWidget, dock: Dock) -> bool:
    parent = widget.parentWidget()
    while parent is not None and parent is not dock.content:
        if isinstance(parent, QScrollArea):
            return True
        parent = parent.parentWidget()
    return False


def _place(widget: QWidget, dock: Dock) -> QRect:
    return QRect(widget.mapTo(dock, QPoint(0, 0)), widget.size())


def _width(widget: QWidget, text: str) -> int:
    return int(widget.fontMetrics().horizontalAdvance(text.replace("&", ""))) + _MARGIN


def _name(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, (QPushButton, QLabel)) else ""
    return f"{type(widget).__name__} {text!r}" if text else type(widget).__name__
