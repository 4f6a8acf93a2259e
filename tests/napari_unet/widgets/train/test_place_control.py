from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QPushButton, QWidget

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import profiles_path, remove_profile, save_profile
from napari_unet.widgets.servers.dialog import ServerDialog
from napari_unet.widgets.train.place_choice import PlaceChoice
from napari_unet.widgets.train.place_control import PlaceControl

Button = Callable[[QWidget, str], QPushButton]
LAB = Profile(name="the lab", host="lab.example.org", device="cpu")


@pytest.fixture
def view(qtbot: QtBot) -> PlaceChoice:
    view = PlaceChoice()
    qtbot.addWidget(view)
    return view


@pytest.fixture
def control(view: PlaceChoice) -> PlaceControl:
    return PlaceControl(view)


def test_the_devices_of_the_chosen_place_are_listed(
    control: PlaceControl, view: PlaceChoice, qtbot: QtBot
) -> None:
    save_profile(LAB)
    with qtbot.waitSignal(control.devices_changed) as here:
        control.refresh()
    assert "cpu" in here.args[0]
    with qtbot.waitSignal(control.devices_changed) as there:
        view.choose("the lab")
    assert there.args[0] == ["cpu", "ascend"]
    assert control.launcher().name == "the lab"


def test_a_server_that_was_removed_is_no_longer_offered(
    control: PlaceControl, view: PlaceChoice, qtbot: QtBot
) -> None:
    save_profile(LAB)
    control.refresh()
    view.choose("the lab")
    remove_profile("the lab")
    with qtbot.waitSignal(control.devices_changed):
        control.refresh()
    assert view.name == control.launcher().name == "This computer"


def test_this_computer_is_offered_where_the_servers_can_t_be_read(
    control: PlaceControl, view: PlaceChoice, qtbot: QtBot
) -> None:
    profiles_path().parent.mkdir(parents=True)
    profiles_path().write_text("no JSON")
    with qtbot.waitSignal(control.failed) as failed:
        control.refresh()
    assert view.name == control.launcher().name == "This computer"
    assert "servers.json" in str(failed.args[0])


def test_a_new_server_is_chosen_and_one_that_is_changed_is_not(
    control: PlaceControl, view: PlaceChoice, button: Button, qtbot: QtBot
) -> None:
    control.refresh()
    button(view, "Servers…").click()
    dialog = view.findChild(ServerDialog)
    dialog.form.show_profile(LAB)
    with qtbot.waitSignal(
        control.devices_changed, check_params_cb=lambda found: found == ["cpu", "ascend"]
    ):
        button(dialog, "Save").click()
    assert view.name == "the lab"
    view.choose("This computer")
    with qtbot.waitSignal(control.devices_changed):
        button(dialog, "Save").click()
    assert view.name == "This computer"
    with qtbot.waitSignal(dialog.destroyed):
        dialog.close()
