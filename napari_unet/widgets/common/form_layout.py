"""Forms, whose fields begin at one left edge."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtWidgets import QFormLayout, QWidget


def align_labels(*widgets: QWidget) -> None:
    """Give the labels of all forms within some widgets the width of the widest."""
    labels = [label for widget in widgets for label in _labels(widget)]
    width = max(label.sizeHint().width() for label in labels)
    for label in labels:
        label.setMinimumWidth(width)


def _labels(widget: QWidget) -> Iterator[QWidget]:
    for form in widget.findChildren(QFormLayout):
        for row in range(form.rowCount()):
            item = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
            label = None if item is None else item.widget()
            if label is not None:
                yield label
