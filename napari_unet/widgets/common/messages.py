"""Messages, questions and labels that show plain text, whatever is in it."""

from __future__ import annotations

from collections.abc import Mapping

from napari.utils.notifications import notification_manager, show_error, show_info, show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QWidget

from napari_unet.text import as_html, as_notification
from training.errors import UserError

TITLE = "U-Net for membranes"  # of questions, as in the menus


def inform(text: str) -> None:
    """Show a plain text as one of napari's notifications."""
    show_info(as_notification(text))


def warn(text: str) -> None:
    """Show a plain text as one of napari's warnings."""
    show_warning(as_notification(text))


def report(error: BaseException) -> None:
    """Show an error: a UserError in its own words, any other with its traceback."""
    if isinstance(error, UserError):
        show_error(as_notification(str(error)))
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
    roles = QMessageBox.ButtonRole
    buttons = {action: roles.DestructiveRole, refusal: roles.RejectRole}
    return ask(parent, question, consequence, buttons, default=refusal) == action


def ask(
    parent: QWidget | None,
    question: str,
    consequence: str,
    buttons: Mapping[str, QMessageBox.ButtonRole],
    default: str,
) -> str:
    """Ask a person, and return the text of the button that was pressed.

    Parameters
    ----------
    question, consequence : str
        What is asked, and what follows.
    buttons : mapping of str to ButtonRole
        Texts of the buttons. The last one changes nothing: it is taken for Escape as well.
    default : str
        Text of the button that Enter presses.
    """
    box = plain_question(question, consequence, parent)
    pressed = {text: box.addButton(text, role) for text, role in buttons.items()}
    refusal = list(buttons)[-1]
    box.setDefaultButton(pressed[default])
    box.setEscapeButton(pressed[refusal])
    box.exec_()
    return next((text for text in buttons if pressed[text] is box.clickedButton()), refusal)


def plain_label(text: str = "") -> QLabel:
    """Make a label that shows its text as it is, without any markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def plain_question(question: str, consequence: str, parent: QWidget | None) -> QMessageBox:
    """Make a box that asks, and says below what follows; it shows both texts as they are."""
    box = QMessageBox(QMessageBox.Icon.Question, TITLE, question, parent=parent)
    box.setInformativeText(consequence)
    for label in box.findChildren(QLabel):  # the box's own setTextFormat leaves out the second
        label.setTextFormat(Qt.TextFormat.PlainText)
    return box


def plain_tooltip(text: str) -> str:
    """Write a plain text as markup, because Qt has no plain tooltips."""
    return f"<p style='white-space:pre'>{as_html(text)}</p>"
