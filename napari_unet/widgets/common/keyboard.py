"""Keyboard in a dock: Tab goes in the order that is seen, and controls have names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocumentFragment
from qtpy.QtWidgets import (
    QAbstractButton,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QTabWidget,
    QWidget,
)


def ease_keyboard(widget: QWidget) -> None:
    """Let Tab go through a widget's controls as they are laid out, and name those without a text.

    Otherwise Tab goes in the order in which they were made. The name, which a screen reader says,
    is that of the label before the control; without one it is the first sentence of the tooltip.
    """
    parts = list(_parts(widget))
    for before, part in zip([None, *parts], parts, strict=False):
        if _takes_tab(part) and not part.accessibleName():
            part.setAccessibleName(_name(part, before))
    for before, after in pairwise(filter(_takes_tab, parts)):
        QWidget.setTabOrder(before, after)


def _parts(widget: QWidget) -> Iterator[QWidget]:
    """A widget and all that is laid out in it, in the order of reading."""
    yield widget
    for child in _children(widget):
        yield from _parts(child)


def _children(widget: QWidget) -> Iterator[QWidget]:
    content: Any = widget
    if isinstance(widget, QScrollArea):
        if content.widget() is not None:
            yield content.widget()
    elif isinstance(widget, QTabWidget):
        yield content.tabBar()
        yield from (content.widget(index) for index in range(content.count()))
    elif content.layout() is not None:
        yield from _laid_out(content.layout())


def _laid_out(layout: QLayout) -> Iterator[QWidget]:
    places = range(layout.count())
    for place in sorted(places, key=lambda place: _row_and_column(layout, place)):
        item: Any = layout.itemAt(place)
        if item.widget() is not None:
            yield item.widget()
        elif item.layout() is not None:
            yield from _laid_out(item.layout())


def _row_and_column(layout: QLayout, place: int) -> Any:
    if isinstance(layout, QGridLayout):
        row, column, _, _ = layout.getItemPosition(place)
        return row, column
    if isinstance(layout, QFormLayout):
        row, role = layout.getItemPosition(place)
        return row, int(role != QFormLayout.ItemRole.LabelRole)
    return 0, place


def _takes_tab(widget: QWidget) -> bool:
    policy = Qt.FocusPolicy.TabFocus
    return widget.focusPolicy() & policy == policy and widget.focusProxy() is None


def _name(control: QWidget, before: QWidget | None) -> str:
    if isinstance(control, QAbstractButton) and control.text():
        return ""  # the text is its name
    if isinstance(before, QLabel) and before.text() and not before.wordWrap():
        return before.text()
    return QTextDocumentFragment.fromHtml(control.toolTip()).toPlainText().partition(".")[0]
