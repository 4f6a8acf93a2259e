from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QPushButton, QWidget

from napari_unet.widgets.train.place_choice import PlaceChoice

from .conftest import NAME

PLACES = ["This computer", "the lab", NAME]


@pytest.fixture
def view(qtbot: QtBot) -> PlaceChoice:
    view = PlaceChoice()
    qtbot.addWidget(view)
    view.show_places(PLACES)
    return view


def test_the_first_place_is_chosen_until_a_person_chooses(view: PlaceChoice, qtbot: QtBot) -> None:
    assert view.name == "This computer"
    with qtbot.waitSignal(view.place_changed) as change:
        view.choose(NAME)
    assert change.args == [NAME]
    assert view.findChild(QComboBox).currentText() == NAME
    view.choose("gone")
    assert view.name == NAME


def test_the_chosen_place_stays_while_it_is_offered(view: PlaceChoice, qtbot: QtBot) -> None:
    view.choose("the lab")
    with qtbot.assertNotEmitted(view.place_changed):
        view.show_places([*PLACES, "another"])
    assert view.name == "the lab"
    with qtbot.waitSignal(view.place_changed) as change:
        view.show_places(["This computer"])
    assert change.args == ["This computer"]


def test_the_servers_are_asked_for(
    view: PlaceChoice, button: Callable[[QWidget, str], QPushButton], qtbot: QtBot
) -> None:
    with qtbot.waitSignal(view.servers_requested):
        button(view, "Servers…").click()
