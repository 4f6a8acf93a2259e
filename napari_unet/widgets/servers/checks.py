"""Tests a server and shows what came out, line by line."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from html import escape

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QPushButton, QTextEdit, QVBoxLayout, QWidget

from napari_unet.launchers.servers.checks import NPUS_SEEN, check_server
from napari_unet.launchers.servers.event_loop import begin
from napari_unet.launchers.servers.host_keys import UnknownHostKeyError
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.messages import report
from napari_unet.widgets.servers.host_key_question import ask_to_accept
from training.devices.check import Check
from training.errors import UserError

_OK, _PROBLEM = "#3fa34d", "#e0565b"  # seen on both of napari's themes


class ServerChecks(QWidget):
    """A button that tests a server, and a line for each thing that training needs."""

    requested = Signal()
    npus_seen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._test = QPushButton("Test connection")
        self._test.setToolTip("Connect, and look at what training needs; nothing is saved.")
        self._test.clicked.connect(self._on_clicked)
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(6)
        self._lines = QTextEdit()
        self._lines.setReadOnly(True)
        self._profile: Profile | None = None
        self._future: Future[list[Check]] | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._test)
        layout.addWidget(self._bar)
        layout.addWidget(self._lines, 1)
        self._show_testing(None)

    def test(self, profile: Profile) -> None:
        """Test a server; a host key that nobody has accepted yet is shown to the person."""
        self._profile = profile
        self._lines.clear()
        future = begin(check_server(profile))
        self._show_testing(future)
        run_in_thread(future.result, self._on_tested, self._on_failed)

    def clear(self) -> None:
        """Stop a test, and forget what came out."""
        if self._future is not None:
            self._future.cancel()
        self._lines.clear()

    def text(self) -> str:
        """The lines as a person reads them."""
        return self._lines.toPlainText()

    def _on_clicked(self) -> None:
        if self._future is None:
            self.requested.emit()
        else:
            self._future.cancel()

    def _on_tested(self, checks: list[Check]) -> None:
        self._show_testing(None)
        self._lines.setHtml("".join(map(_as_html, checks)))
        if any(check.name.endswith(NPUS_SEEN) for check in checks):
            self.npus_seen.emit()

    def _on_failed(self, error: Exception) -> None:
        self._show_testing(None)
        if isinstance(error, UnknownHostKeyError):
            self._ask_about_key(error)
        elif isinstance(error, UserError):
            self._lines.setHtml(_as_html(Check("Test", False, error.problem, error.remedy)))
        elif not isinstance(error, CancelledError):
            report(error)

    def _ask_about_key(self, unknown: UnknownHostKeyError) -> None:
        if self._profile is not None and ask_to_accept(self, unknown):
            self.test(self._profile)
        else:
            self._lines.setHtml(
                _as_html(Check("host key", False, "not accepted.", "Test again to see it."))
            )

    def _show_testing(self, future: Future[list[Check]] | None) -> None:
        self._future = future
        self._bar.setVisible(future is not None)
        self._test.setText("Test connection" if future is None else "Stop testing")
        self._lines.setPlaceholderText("Not tested yet" if future is None else "Testing…")


def _as_html(check: Check) -> str:
    color, mark = (_OK, "✓ ok") if check.is_ok else (_PROBLEM, "✗")
    line = f"<b style='color:{color}'>{mark}</b>&nbsp; <b>{escape(check.name)}</b>: "
    return f"<p style='margin:3px 0'>{line}{escape(f'{check.text} {check.remedy}'.strip())}</p>"
