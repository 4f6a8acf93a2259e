"""Start, stop, cancel, resume."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from training.runs.run_state import RunStatus, can_resume


class RunButtons(QWidget):
    """Four buttons; which can be pressed follows from what the run does."""

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
            "Cancel", "End at once, and delete the run; asks first.", self.cancel_requested
        )
        self._resume = _button(
            "Resume", "Go on from the newest checkpoint of this run.", self.resume_requested
        )
        for button in (self._start, self._stop, self._cancel, self._resume):
            layout.addWidget(button)
        self.show_ended(None)

    def show_busy(self) -> None:
        """Nothing can be pressed: something is being started or ended."""
        self._enable()

    def show_running(self) -> None:
        self._enable(self._stop, self._cancel)

    def show_stopping(self) -> None:
        """A training that takes long to stop can still be cancelled."""
        self._enable(self._cancel)

    def show_ended(self, status: RunStatus | None) -> None:
        """No run is going on; ``status`` is that of the last one, None without one."""
        can_go_on = status is not None and can_resume(status)
        self._enable(self._start, *([self._resume] if can_go_on else []))

    def _enable(self, *enabled: QPushButton) -> None:
        for button in (self._start, self._stop, self._cancel, self._resume):
            button.setEnabled(button in enabled)


def _button(text: str, tooltip: str, signal: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda: signal.emit())
    return button
