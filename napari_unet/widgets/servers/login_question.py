"""Asks in a dialog what a server wants to know at a login."""

from __future__ import annotations

import functools
from concurrent.futures import Future
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_unet.launchers.servers.login.questions import (
    Answers,
    LoginQuestion,
    answer_logins_by,
)
from napari_unet.widgets.common.messages import TITLE, plain_label

_WIDTH = 420


class LoginDialog(QDialog):
    """One question of a server, with a field for each answer. Its words are plain text."""

    def __init__(self, question: LoginQuestion, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(TITLE)
        self.setMinimumWidth(_WIDTH)
        self._fields = [QLineEdit() for _ in question.prompts]
        form = QFormLayout()
        for prompt, field in zip(question.prompts, self._fields, strict=True):
            if not prompt.is_shown:
                field.setEchoMode(QLineEdit.EchoMode.Password)
            form.addRow(_wrapped(prompt.text), field)
        buttons = QDialogButtonBox()
        for button in (QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel):
            buttons.addButton(button)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(_wrapped(f"{question.server} asks:"))
        if question.words:
            layout.addWidget(_wrapped(question.words))
        layout.addLayout(form)
        layout.addWidget(buttons)

    def answers(self) -> Answers:
        """What was typed, an answer a prompt."""
        return [field.text() for field in self._fields]


class _Reception(QObject):
    """Shows questions of any thread on the window's, one after the other."""

    asked = Signal(object, object)  # LoginQuestion, Future of the answers or None

    def __init__(self) -> None:
        super().__init__()
        self._waiting: set[Future[Answers | None]] = set()
        self._is_over = False
        asked: Any = self.asked
        asked.connect(self._on_asked, Qt.ConnectionType.QueuedConnection)
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self._on_quit)

    def ask(self, question: LoginQuestion) -> Answers | None:
        """Ask, and wait for the answers; in another thread than the window's."""
        answers: Future[Answers | None] = Future()
        self._waiting.add(answers)
        self.asked.emit(question, answers)
        if self._is_over:  # nothing is shown any more
            return None
        return answers.result()

    def _on_asked(self, question: LoginQuestion, answers: Future[Answers | None]) -> None:
        dialog = LoginDialog(question, QApplication.activeWindow())
        is_answered = dialog.exec_() == QDialog.DialogCode.Accepted
        self._settle(answers, dialog.answers() if is_answered else None)
        dialog.deleteLater()

    def _on_quit(self) -> None:
        self._is_over = True
        for answers in list(self._waiting):
            self._settle(answers, None)

    def _settle(self, answers: Future[Answers | None], typed: Answers | None) -> None:
        if answers in self._waiting:
            self._waiting.remove(answers)
            answers.set_result(typed)


@functools.cache
def _reception() -> _Reception:
    return _Reception()


def offer_dialogs() -> None:
    """Answer logins in dialogs from now on; call it on the window's thread."""
    answer_logins_by(_reception().ask)


def _wrapped(text: str) -> QLabel:
    label = plain_label(text)
    label.setWordWrap(True)
    return label
