"""How the window tells a person what went wrong, and how it asks."""

from __future__ import annotations

from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QWidget

from napari_unet.text import as_html, printable
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


def plain_label(text: str = "") -> QLabel:
    """A label in whose text nothing is markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def plain_question(question: str, parent: QWidget | None) -> QMessageBox:
    """A box that asks; nothing in its texts is markup."""
    box = QMessageBox(QMessageBox.Icon.Question, "U-Net", question, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    return box


def plain_tooltip(text: str) -> str:
    """A text for a tooltip, which has no other way to say that it is no markup."""
    return f"<p style='white-space:pre'>{as_html(text)}</p>"
