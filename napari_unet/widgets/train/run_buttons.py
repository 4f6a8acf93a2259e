"""The buttons Start, Stop, Cancel and Resume, and what became of the one that was pressed."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.layers.colors import ACTION_COLOR
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.common.messages import plain_tooltip

_START = "Train a new model."


class RunButtons(QWidget):
    """Four buttons, of which those that make sense now can be pressed.

    Attributes
    ----------
    message : MessageLine
        Above them: what is being done, or why it was not.
    """

    start_requested = Signal()
    stop_requested = Signal()
    cancel_requested = Signal()
    resume_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._obstacle = ""
        self._enabled: tuple[QPushButton, ...] = ()
        self.message = MessageLine()
        self._start = _button("Start", _START, self.start_requested)
        self._start.setStyleSheet(
            f"QPushButton:enabled {{background-color: {ACTION_COLOR}; color: white}}"
        )
        self._stop = _button(
            "Stop", "End after the current step, and keep the model.", self.stop_requested
        )
        self._cancel = _button(
            "Cancel", "End at once, and delete the run (asks first).", self.cancel_requested
        )
        self._resume = _button(
            "Resume", "Go on from the newest checkpoint of this run.", self.resume_requested
        )
        row = QHBoxLayout()
        for button in (self._start, self._stop, self._cancel, self._resume):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.message)
        layout.addLayout(row)
        self.show_ended(can_resume=False)

    def set_obstacle(self, reason: str) -> None:
        """Let nothing be started as long as there is a reason why it can't be."""
        self._obstacle = reason
        self._start.setToolTip(plain_tooltip(reason) if reason else _START)
        self._enable(*self._enabled)

    def show_busy(self) -> None:
        """Disable all buttons while something is being started or ended."""
        self._enable()

    def show_running(self) -> None:
        """Offer to stop or cancel the run."""
        self._enable(self._stop, self._cancel)

    def show_stopping(self) -> None:
        """Offer to cancel a training that takes long to stop."""
        self._enable(self._cancel)

    def show_ended(self, can_resume: bool) -> None:
        """Offer a new run, and to resume the last one where it can be."""
        self._enable(self._start, *([self._resume] if can_resume else []))

    def _enable(self, *enabled: QPushButton) -> None:
        self._enabled = enabled
        for button in (self._start, self._stop, self._cancel, self._resume):
            is_hindered = button is self._start and bool(self._obstacle)
            button.setEnabled(button in enabled and not is_hindered)


def _button(text: str, tooltip: str, signal: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda: signal.emit())
    return button
