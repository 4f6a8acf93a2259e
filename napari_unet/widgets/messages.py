"""How the window tells a person what went wrong, and how it asks."""

from __future__ import annotations

from napari.utils.notifications import notification_manager, show_error
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_unet.plain_text import printable
from napari_unet.widgets.plain_labels import plain_question
from training.errors import UserError


def report(error: BaseException) -> None:
    """Show an error: a person's in its own words, any other with its traceback."""
    if isinstance(error, UserError):
        show_error(printable(str(error)))
    else:
        notification_manager.receive_error(type(error), error, error.__traceback__)


def confirm(
    parent: QWidget, question: str, consequence: str, action: str, refusal: str = "Keep"
) -> bool:
    """Ask before something that can't be undone.

    Parameters
    ----------
    question, consequence : str
        What is asked, and what happens on yes.
    action, refusal : str
        Texts of the button that does it, and of the one that does not.
    """
    box = plain_question(question, parent)
    box.setInformativeText(consequence)
    accept = box.addButton(action, QMessageBox.ButtonRole.DestructiveRole)
    keep = box.addButton(refusal, QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    box.exec_()
    return box.clickedButton() is accept
