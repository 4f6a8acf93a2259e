"""A window that shows a text, such as a log."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontDatabase, QTextCursor
from qtpy.QtWidgets import QDialog, QLayout, QPlainTextEdit, QVBoxLayout, QWidget


class TextWindow(QDialog):
    """Stays open beside napari until it is closed.

    Parameters
    ----------
    title, text : str
        What is shown.
    """

    def __init__(self, title: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self._text = QPlainTextEdit(text)
        self._text.setReadOnly(True)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.moveCursor(QTextCursor.MoveOperation.End)
        self._layout = QVBoxLayout(self)
        self._layout.addWidget(self._text)
        self.resize(700, 480)

    def text(self) -> str:
        """Return the text that is shown."""
        return self._text.toPlainText()

    def show_text(self, text: str) -> None:
        """Show another text; the last line stays in sight if it is in sight now."""
        bar = self._text.verticalScrollBar()
        if text == self.text() or bar is None:
            return
        place, is_at_end = bar.value(), bar.value() == bar.maximum()
        self._text.setPlainText(text)
        bar.setValue(bar.maximum() if is_at_end else place)

    def insert_row(self, row: QLayout) -> None:
        """Put something above the text."""
        self._layout.insertLayout(0, row)
