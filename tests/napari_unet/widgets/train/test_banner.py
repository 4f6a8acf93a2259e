"""A banner says one thing and offers to do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_unet.widgets.train.banner import Banner

Button = Callable[[QWidget, str], QPushButton]


@pytest.fixture
def banner(qtbot: QtBot) -> Iterator[Banner]:
    """A banner in a dock that is in sight."""
    dock = QWidget()
    qtbot.addWidget(dock)
    banner = Banner(dock)
    dock.show()
    yield banner


def test_it_is_hidden_until_it_offers_something(banner: Banner, button: Button) -> None:
    assert not banner.isVisible()
    banner.offer("There is a run.", "Follow it", lambda: None)
    assert banner.isVisible()
    assert banner.findChild(QLabel).text() == "There is a run."
    assert button(banner, "Follow it").isVisible()


def test_accepting_does_it_once_and_hides_it(banner: Banner, button: Button) -> None:
    states: list[bool] = []
    banner.offer("There is a run.", "Follow it", lambda: states.append(banner.isVisible()))
    button(banner, "Follow it").click()
    assert states == [False]  # hidden before, so that the action can offer the next thing


def test_an_action_may_offer_the_next_thing(banner: Banner, button: Button) -> None:
    banner.offer("First.", "Go on", lambda: banner.offer("Second.", "Go on", lambda: None))
    button(banner, "Go on").click()
    assert banner.isVisible() and banner.findChild(QLabel).text() == "Second."


def test_dismissing_does_nothing_but_hide_it(banner: Banner, button: Button) -> None:
    done: list[str] = []
    banner.offer("There is a run.", "Follow it", lambda: done.append("followed"))
    button(banner, "Dismiss").click()
    assert not banner.isVisible() and not done


def test_a_later_offer_replaces_an_earlier_one(banner: Banner, button: Button) -> None:
    done: list[str] = []
    banner.offer("First.", "Do it", lambda: done.append("first"))
    banner.offer("Second.", "Do it", lambda: done.append("second"))
    button(banner, "Do it").click()
    assert done == ["second"]


def test_markup_in_a_text_is_shown_as_it_is(banner: Banner, shown: Callable[[QLabel], str]) -> None:
    banner.offer("<b>run</b>", "Follow it", lambda: None)
    assert shown(banner.findChild(QLabel)) == "<b>run</b>"
