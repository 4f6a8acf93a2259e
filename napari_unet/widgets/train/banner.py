"""A line above a dock that says something and offers one thing to do about it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.widgets.common.messages import plain_label


class Banner(QFrame):
    """Hidden until it has something to say; doing it or dismissing it hides it again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._action: Callable[[], None] = self.hide
        self._text = plain_label()
        self._text.setWordWrap(True)
        self._accept = QPushButton()
        self._accept.clicked.connect(self._on_accepted)
        self._accept.setToolTip("Do what this message offers.")
        dismiss = QPushButton("Dismiss")
        dismiss.setToolTip("Hide this message.")
        dismiss.clicked.connect(self.hide)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self._accept)
        buttons.addWidget(dismiss)
        layout = QVBoxLayout(self)
        layout.addWidget(self._text)
        layout.addLayout(buttons)
        self.hide()

    def offer(self, text: str, action_name: str, action: Callable[[], None]) -> None:
        """Say something, and what the button does about it."""
        self._text.setText(text)
        self._accept.setText(action_name)
        self._action = action
        self.show()

    def _on_accepted(self) -> None:
        self.hide()
        self._action()
