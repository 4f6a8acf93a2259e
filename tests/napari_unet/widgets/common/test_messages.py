from collections.abc import Callable

import pytest
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_unet.widgets.common.dock import WIDTH
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.common.messages import (
    inform,
    plain_label,
    plain_question,
    plain_tooltip,
    report,
    warn,
)
from training.errors import UserError

NAMES = ["<b>x</b>&amp;", "R&D", "a 'run'", "1 < 2"]
Shown = Callable[[QLabel], str]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("say", [inform, warn, lambda text: report(UserError(text))])
def test_a_notification_shows_a_text_as_it_is(
    say: Callable[[str], None], name: str, qtbot: QtBot, shown: Shown
) -> None:
    say(f"{name} has ended.")
    window = NapariQtNotification.from_notification(notification_manager.records[-1])
    qtbot.addWidget(window)
    assert shown(window.message) == f"{name} has ended."


@pytest.mark.parametrize("name", NAMES)
def test_a_question_shows_both_texts_as_they_are(name: str, qtbot: QtBot, shown: Shown) -> None:
    box = plain_question(f"Delete {name}?", f"/runs/{name} is deleted.", None)
    qtbot.addWidget(box)
    texts = [shown(label) for label in box.findChildren(QLabel)]
    assert f"Delete {name}?" in texts
    assert f"/runs/{name} is deleted." in texts


@pytest.mark.parametrize("name", NAMES)
def test_labels_and_tooltips_show_a_text_as_it_is(name: str, qtbot: QtBot, shown: Shown) -> None:
    label = plain_label(name)
    qtbot.addWidget(label)
    assert shown(label) == name
    tooltip = QLabel(plain_tooltip(name))
    qtbot.addWidget(tooltip)
    assert shown(tooltip) == name


@pytest.mark.parametrize("name", ["Stack_of_2024_aligned_" * 20, r"C:\\lab\\raw" * 20])
def test_a_message_with_a_long_name_is_no_wider_than_a_dock(
    name: str, qtbot: QtBot, shown: Shown
) -> None:
    message = MessageLine()
    qtbot.addWidget(message)
    message.tell_error(UserError(f"'{name}' is not there."))
    assert message.minimumSizeHint().width() < WIDTH
    assert name[:20] in message.text() and name[-8:] in message.text()
    whole = QLabel(message.toolTip())
    qtbot.addWidget(whole)
    assert shown(whole) == f"'{name}' is not there."
    message.tell("Done.")
    assert message.toolTip() == ""
