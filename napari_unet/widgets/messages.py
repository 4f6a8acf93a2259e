"""How the window tells a person what went wrong, and how it asks."""

from __future__ import annotations

from napari.utils.notifications import notification_manager, show_error
from qtpy.QtWidgets import QMessageBox, QWidget

from training.errors import UserError


def report(error: BaseException) -> None:
    """Show an error: a person's in its own words, any other with its traceback."""
    if isinstance(error, UserError):
        show_error(str(error))
    else:
        notification_manager.receive_error(type(error), error, error.__traceback__)


def confirm(parent: QWidget, question: str, consequence: str, action: str) -> bool:
    """Ask before something that can't be undone.

    Parameters
    ----------
    question, consequence : str
        What is asked, and what happens on yes.
    action : str
        Text of the button that does it; the other is "Keep".
    """
    box = QMessageBox(QMessageBox.Icon.Question, "U-Net", question, parent=parent)
    box.setInformativeText(consequence)
    accept = box.addButton(action, QMessageBox.ButtonRole.DestructiveRole)
    keep = box.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    box.exec_()
    return box.clickedButton() is accept
