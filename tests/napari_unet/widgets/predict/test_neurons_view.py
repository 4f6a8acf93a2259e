from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel, QProgressBar, QPushButton, QWidget

from napari_unet.widgets.predict.neurons_view import NeuronsView
from training.errors import UserError

Button = Callable[[QWidget, str], QPushButton]


@pytest.fixture
def view(qtbot: QtBot) -> NeuronsView:
    view = NeuronsView()
    qtbot.addWidget(view)
    return view


def texts(view: NeuronsView) -> list[str]:
    return [label.text() for label in view.findChildren(QLabel) if label.isVisibleTo(view)]


def test_options_are_read(view: NeuronsView) -> None:
    assert (view.threshold, view.is_linked) == (None, False)
    view.findChild(QDoubleSpinBox).setValue(0.35)
    view.findChild(QCheckBox).click()
    assert (view.threshold, view.is_linked) == (0.35, True)


def test_a_search_is_asked_for_once_there_is_a_prediction(
    view: NeuronsView, button: Button, qtbot: QtBot
) -> None:
    find = button(view, "Find neurons")
    assert not find.isEnabled()
    view.set_available(True)
    with qtbot.waitSignal(view.find_requested):
        find.click()


def test_a_search_is_shown_from_begin_to_end(
    view: NeuronsView, button: Button, qtbot: QtBot
) -> None:
    find, cancel = button(view, "Find neurons"), button(view, "Cancel")
    view.layout().activate()  # places of what is not shown yet
    bar = view.findChild(QProgressBar)
    view.set_available(True)
    assert (find.isEnabled(), cancel.isEnabled()) == (True, False)
    view.show_begun("Choosing…")
    assert (find.isEnabled(), cancel.isEnabled()) == (False, True)
    assert bar.maximum() == 0
    view.show_progress(2, 5, "Slice 2 of 5")
    assert (bar.value(), bar.maximum()) == (2, 5)
    assert "Slice 2 of 5" in texts(view)
    with qtbot.waitSignal(view.cancel_requested):
        cancel.click()
    view.show_ended("Cancelled.")
    assert (find.isEnabled(), bar.isVisibleTo(view)) == (True, False)
    assert "Cancelled." in texts(view)
    assert find.geometry().intersected(cancel.geometry()).isEmpty()


def test_a_failure_stays_until_the_next_search(
    view: NeuronsView, button: Button, qtbot: QtBot
) -> None:
    view.set_saveable(True)
    with qtbot.waitSignal(view.save_requested):
        button(view, "Save neurons…").click()
    view.show_failure(UserError("The disk is full.", "Delete something."))
    assert "The disk is full. Delete something." in texts(view)
    view.show_begun("Choosing…")
    assert "The disk is full. Delete something." not in texts(view)
