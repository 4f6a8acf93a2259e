from collections.abc import Callable

import pytest
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

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
