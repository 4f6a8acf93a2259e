from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QPushButton

from napari_unet.widgets.train.run_buttons import RunButtons


def enabled(buttons: RunButtons) -> list[str]:
    return [button.text() for button in buttons.findChildren(QPushButton) if button.isEnabled()]


def test_what_makes_sense_now_can_be_pressed(qtbot: QtBot) -> None:
    buttons = RunButtons()
    qtbot.addWidget(buttons)
    assert enabled(buttons) == ["Start"]
    buttons.show_busy()
    assert enabled(buttons) == []
    buttons.show_running()
    assert enabled(buttons) == ["Stop", "Cancel"]
    buttons.show_stopping()
    assert enabled(buttons) == ["Cancel"]
    buttons.show_ended(can_resume=True)
    assert enabled(buttons) == ["Start", "Resume"]
    with qtbot.waitSignal(buttons.resume_requested):
        buttons.findChildren(QPushButton)[-1].click()


def test_an_obstacle_keeps_start_alone_from_being_pressed(qtbot: QtBot) -> None:
    buttons = RunButtons()
    qtbot.addWidget(buttons)
    buttons.show_ended(can_resume=True)
    buttons.set_obstacle("There are no labels.")
    assert enabled(buttons) == ["Resume"]
    buttons.show_running()
    buttons.set_obstacle("")
    assert enabled(buttons) == ["Stop", "Cancel"]
    buttons.show_ended(can_resume=False)
    assert enabled(buttons) == ["Start"]
