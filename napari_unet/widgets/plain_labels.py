"""Widgets that show texts from elsewhere as they are: Qt takes what looks like HTML for that."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QWidget

from napari_unet.plain_text import as_html


def plain_label(text: str = "") -> QLabel:
    """A label in whose text nothing is markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def plain_question(question: str, parent: QWidget | None) -> QMessageBox:
    """A box that asks; nothing in its texts is markup."""
    box = QMessageBox(QMessageBox.Icon.Question, "U-Net", question, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    return box


def plain_tooltip(text: str) -> str:
    """A text for a tooltip, which has no other way to say that it is no markup."""
    return f"<p style='white-space:pre'>{as_html(text)}</p>"
