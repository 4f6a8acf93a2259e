"""The buttons Start, Stop, Cancel and Resume."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget


class RunButtons(QWidget):
    """Four buttons, of which those that make sense now can be pressed."""

    start_requested = Signal()
    stop_requested = Signal()
    cancel_requested = Signal()
    resume_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._start = _button("Start", "Train a new model.", self.start_requested)
        self._stop = _button(
            "Stop", "End after the current step, and keep the model.", self.stop_requested
        )
        self._cancel = _button(
            "Cancel", "End at once, and delete the run (asks first).", self.cancel_requested
        )
        self._resume = _button(
            "Resume", "Go on from the newest checkpoint of this run.", self.resume_requested
        )
        for button in (self._start, self._stop, self._cancel, self._resume):
            layout.addWidget(button)
        self.show_ended(can_resume=False)

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
        for button in (self._start, self._stop, self._cancel, self._resume):
            button.setEnabled(button in enabled)


def _button(text: str, tooltip: str, signal: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda: signal.emit())
    return button
