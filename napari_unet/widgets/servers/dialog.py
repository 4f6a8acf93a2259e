"""The servers to train on: add, change, test, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import napari
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QListWidget,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_unet.launchers.servers.profiles import load_profiles, put_profile, remove_profile
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.common.messages import ask, confirm
from napari_unet.widgets.servers.checks import ServerChecks
from napari_unet.widgets.servers.form import ServerForm
from napari_unet.widgets.servers.login_question import offer_dialogs
from training.errors import UserError

SAVE, DISCARD = "Save", "Discard"
_LIST_WIDTH = 150


class ServerDialog(QDialog):
    """A list of servers, the profile of the chosen one, and a test of it.

    Parameters
    ----------
    chosen : str
        Name of the server to begin with, if there is one of that name.
    """

    saved = Signal(str)  # name of the server

    def __init__(self, chosen: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        offer_dialogs()
        self.setWindowTitle("Servers to train on")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.former = ""  # name of the profile that is edited; empty for a new one
        self._list = QListWidget()
        self._list.setFixedWidth(_LIST_WIDTH)
        self.form = ServerForm()
        self.checks = ServerChecks()
        self._message = MessageLine()
        self._new = _button("New", "Add another server.", self._on_new)
        self._remove = _button("Remove", "Forget the server; its runs stay.", self._on_remove)
        self._save = _button("Save", "Save this server.", self._on_save)
        self._close = _button("Close", "", self.close)
        self._lay_out()
        # Queued: a question must not come up in the middle of a click.
        changed: Any = self._list.currentTextChanged
        changed.connect(self._on_chosen, Qt.ConnectionType.QueuedConnection)
        self.checks.requested.connect(self._on_test)
        self.checks.npus_seen.connect(self.form.prefer_npus)
        self._show_list(chosen)

    def _lay_out(self) -> None:
        left, right, ends = QVBoxLayout(), QVBoxLayout(), QHBoxLayout()
        left.addWidget(self._list, 1)
        for button in (self._new, self._remove):
            left.addWidget(button)
        right.addWidget(self.form)
        right.addWidget(self._message)
        right.addWidget(self.checks, 1)
        ends.addStretch(1)
        for button in (self._save, self._close):
            button.setAutoDefault(False)
            ends.addWidget(button)
        right.addLayout(ends)
        layout = QHBoxLayout(self)
        layout.addLayout(left)
        layout.addLayout(right, 1)
        self.resize(760, 660)

    def _show_list(self, chosen: str) -> None:
        try:
            names = list(load_profiles())
        except UserError as error:
            self._message.tell_error(error)
            return
        with signals_blocked(self._list):
            self._list.clear()
            self._list.addItems(names)
        self._mark(chosen)
        self._show(chosen if chosen in names else "")

    def _on_chosen(self, name: str) -> None:
        if self._may_leave():
            self._show_list(name)
        else:
            self._mark(self.former)

    def _mark(self, name: str) -> None:
        """Mark a server in the list without showing its profile."""
        with signals_blocked(self._list):
            found = self._list.findItems(name, Qt.MatchFlag.MatchExactly)
            self._list.setCurrentRow(self._list.row(found[0]) if found else -1)

    def _show(self, name: str) -> None:
        self.former = name
        self._remove.setEnabled(bool(name))
        self.checks.clear()
        if name:
            self.form.show_profile(load_profiles()[name])
        else:
            self.form.clear()

    def reject(self) -> None:
        """Close, by the button, Escape or the window's frame; ask where something is not saved."""
        if self._may_leave():
            super().reject()

    def _may_leave(self) -> bool:
        """Ask what becomes of fields that were edited; return whether to go on."""
        if not self.form.is_edited:
            return True
        roles = QMessageBox.ButtonRole
        name = self.former or "the new server"
        answer = ask(
            self,
            f"Save the changes to {name}?",
            "They are lost otherwise.",
            {
                SAVE: roles.AcceptRole,
                DISCARD: roles.DestructiveRole,
                "Keep editing": roles.RejectRole,
            },
            default=SAVE,
        )
        return answer == DISCARD or (answer == SAVE and self._put())

    def _on_new(self) -> None:
        if self._may_leave():
            self._show_list("")

    def _on_save(self) -> None:
        former = self.former
        if self._put() and self.former != former:
            self._show_list(self.former)

    def _put(self) -> bool:
        """Save the profile; return whether it is one."""
        try:
            profile = self.form.profile()
            put_profile(profile, self.former)
        except UserError as error:
            self._message.tell_error(error)
            return False
        self._message.tell("")
        self.former = profile.name
        self.form.show_profile(profile)  # the fields are what is saved
        self.saved.emit(profile.name)
        return True

    def _on_remove(self) -> None:
        if confirm(
            self, f"Forget '{self.former}'?", "Its runs, there and here, stay.", "Forget it"
        ):
            remove_profile(self.former)
            self._show_list("")
            self.saved.emit("")

    def _on_test(self) -> None:
        try:
            self.checks.test(self.form.profile())
        except UserError as error:
            self._message.tell_error(error)
        else:
            self._message.tell("")


def open_servers(viewer: napari.Viewer) -> None:
    """Napari's menu command: edit the servers."""
    ServerDialog(parent=viewer.window._qt_window).open()


def _button(text: str, tooltip: str, action: Callable[[], Any]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setAutoDefault(False)
    button.clicked.connect(action)
    return button
