"""A line in a dock that says what became of something, beside the button that asked for it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_unet.layers.colors import ERROR_COLOR
from napari_unet.text import shorten_words
from napari_unet.widgets.common.messages import plain_tooltip, report
from training.console import printable
from training.errors import UserError


class MessageLine(QLabel):
    """Stays until something else is said; takes no room while there is nothing to say.

    Words that no line has room for are shortened; its tooltip has them whole then.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setWordWrap(True)
        self.hide()

    def tell(self, text: str) -> None:
        """Say something, or nothing."""
        self._show(text, "")

    def tell_error(self, error: Exception) -> None:
        """Say in red why something was not done; an error that is a defect is reported as well."""
        if not isinstance(error, UserError):
            report(error)
        self._show(str(error), f"color: {ERROR_COLOR}; font-weight: bold")

    def _show(self, text: str, style: str) -> None:
        self.setStyleSheet(style)
        shown = printable(text)
        self.setText(shorten_words(shown))
        self.setToolTip(plain_tooltip(shown) if self.text() != shown else "")
        self.setVisible(bool(text))
