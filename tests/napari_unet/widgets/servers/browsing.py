"""Chooses in the dialog that lists a server's folders, as a person does."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLineEdit, QPushButton

from napari_unet.widgets.servers.browse_dialog import BrowseDialog


def choose_in_dialog(path: str) -> QTimer:
    """Choose a path in the next dialog, as soon as it has listed a folder; stop the timer then."""

    def choose() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, BrowseDialog) and dialog.findChild(QLineEdit).text():
            dialog.findChild(QLineEdit).setText(path)
            choose_button(dialog).click()

    timer = QTimer()
    timer.timeout.connect(choose)
    timer.start(50)
    return timer


def choose_button(dialog: BrowseDialog) -> QPushButton:
    return next(one for one in dialog.findChildren(QPushButton) if one.text() == "Choose")
