"""Servers in the window: the train dock, the servers' profiles, the devices' logs."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QPushButton,
    QTextEdit,
    QWidget,
)

from napari_unet.launchers.servers.login.questions import answer_logins_by
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import load_profiles, save_profile
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.settings import Settings, remember
from napari_unet.widgets.runs.device_log import DeviceLogWindow
from napari_unet.widgets.servers.dialog import ServerDialog
from napari_unet.widgets.servers.form import ServerForm
from napari_unet.widgets.servers.login_question import LoginDialog
from napari_unet.widgets.train.dock import TrainDock
from tests.napari_unet.launchers.servers.login.asking_server import AskingServer
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    follow_to_end,
    follow_until_step,
    install_quick_python,
    quick_config,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.errors import UserError
from training.stacks.synthetic import synthetic_stack

PATIENCE = 60_000  # milliseconds
EVERYTHING = Profile(
    name="lab",
    host="node0",
    port=2222,
    user="me",
    key="~/.ssh/id_lab",
    folder="/data/me",
    activate="conda activate ms",
    cann="/opt/set_env.sh",
    device="ascend",
    devices=16,
    nodes=("node1", "node2", "node3"),
    master_addr="10.0.0.1",
    variables=("HCCL_SOCKET_IFNAME=eth0", "ASCEND_RT_VISIBLE_DEVICES=0,1"),
)


QUEUED = Profile(
    name="queue",
    host="login",
    prefix="apptainer exec image.sif",
    slurm=True,
    partition="npu",
    account="me",
    qos="long",
    gres="npu:8",
    time="12:00:00",
    requeue=True,
    job_nodes=2,
    sbatch=("--mem=64G", "--nodelist=a,b"),
)


def click(qtbot: QtBot, dock: QWidget, text: str) -> None:
    button = next(found for found in dock.findChildren(QPushButton) if found.text() == text)
    qtbot.waitUntil(button.isEnabled, timeout=PATIENCE)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def shows(dock: TrainDock, text: str) -> bool:
    return any(text in label.text() for label in dock.findChildren(QLabel))


def is_same(here: Path, there: Path) -> bool:
    return here.exists() and here.read_bytes() == there.read_bytes()


def test_training_on_a_server_looks_like_training_here(
    unknown_sshd: Sshd, make_napari_viewer: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "my runs"
    remember(Settings(runs_folder=str(folder)))
    activate = install_quick_python(tmp_path / "quick python")
    save_profile(unknown_sshd.profile(name="the lab", activate=activate, devices=2))
    viewer = make_napari_viewer(show=True)
    images, labels = synthetic_stack(slices=6, size=64)
    viewer.add_image(images, name="sections")
    viewer.add_labels((labels == 0).astype("uint8"), name="membranes")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    qtbot.waitUntil(lambda: shows(dock, "Membrane"), timeout=PATIENCE)

    dock.form.set_value("steps", 30)
    dock.place.choose("the lab")
    assert dock.place.name == "the lab"
    asked = answer(qtbot, "Accept its key")
    click(qtbot, dock, "Start")
    qtbot.waitUntil(lambda: shows(dock, "Finished"), timeout=PATIENCE)
    assert len(asked) == 1 and "SHA256:" in asked[0]
    (run,) = folder.iterdir()
    there = unknown_sshd.work / "runs" / run.name
    for name in ("events.jsonl", "checkpoints/best.safetensors"):
        qtbot.waitUntil(lambda name=name: is_same(run / name, there / name), timeout=PATIENCE)


def test_a_resume_goes_on_once_the_server_s_key_is_accepted(
    sshd: Sshd, qtbot: QtBot, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "my runs"
    remember(Settings(runs_folder=str(folder)))
    activate = install_quick_python(tmp_path / "quick python")
    profile = sshd.profile(activate=activate)
    save_profile(profile)
    launcher = RemoteLauncher(profile, folder)
    run = launcher.start(quick_config(write_data(tmp_path / "data"), steps=10_000), "a run")
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 1)
    launcher.stop(run)
    follow_to_end(follower)
    launcher.close()
    (home / ".ssh" / "known_hosts").unlink()
    dock = TrainDock(ViewerModel())
    qtbot.addWidget(dock)
    asked = answer(qtbot, "Accept its key")
    dock.resume(run)
    events = folder / "a run" / "events.jsonl"
    qtbot.waitUntil(lambda: events.read_text().count('"started"') == 2, timeout=PATIENCE)
    assert "SHA256:" in asked[0]
    assert [path.name for path in folder.iterdir()] == ["a run"]
    click(qtbot, dock, "Stop")
    qtbot.waitUntil(lambda: shows(dock, "Stopped"), timeout=PATIENCE)


def test_a_server_is_added_and_tested(
    unknown_sshd: Sshd, qtbot: QtBot, home: Path, tmp_path: Path
) -> None:
    """Its host key is shown with its fingerprint; only a person's yes accepts it."""
    dialog = ServerDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    activate = install_quick_python(tmp_path / "quick python")
    server = unknown_sshd.profile(name="the lab", activate=activate, devices=4)
    click(qtbot, dialog, "Save")
    assert load_profiles() == {}  # it has no name
    dialog.form.show_profile(server)
    click(qtbot, dialog, "Save")
    assert load_profiles() == {"the lab": server}

    known_hosts = home / ".ssh" / "known_hosts"
    asked = answer(qtbot, "Refuse it")
    click(qtbot, dialog, "Test connection")
    qtbot.waitUntil(lambda: "not accepted" in dialog.checks.text(), timeout=PATIENCE)
    assert "SHA256:" in asked[0] and not known_hosts.exists()
    answer(qtbot, "Accept its key")
    click(qtbot, dialog, "Test connection")
    qtbot.waitUntil(lambda: "clock: agrees" in dialog.checks.text(), timeout=PATIENCE)
    assert known_hosts.read_text() == unknown_sshd.known_hosts_line()

    dialog.form.show_profile(server.replace(name="renamed"))
    click(qtbot, dialog, "Save")
    assert list(load_profiles()) == ["renamed"]


@pytest.mark.parametrize("way", ["Close", "Escape", "frame", "New", "other"])
@pytest.mark.parametrize("choice", ["Save", "Discard", "Keep editing"])
def test_what_was_typed_is_not_dropped_without_a_question(
    way: str, choice: str, qtbot: QtBot
) -> None:
    for name in ("lab", "other"):
        save_profile(Profile(name=name, host=f"{name}.example.org"))
    dialog = ServerDialog("lab")
    qtbot.addWidget(dialog)
    dialog.show()
    user = next(
        found for found in dialog.findChildren(QLineEdit) if "Your account" in found.toolTip()
    )
    qtbot.keyClicks(user, "me")
    asked = answer(qtbot, choice)
    if way in ("Close", "New"):
        click(qtbot, dialog, way)
    elif way == "Escape":
        qtbot.keyClick(user, Qt.Key.Key_Escape)
    elif way == "frame":
        dialog.close()
    else:
        servers = dialog.findChild(QListWidget)
        row = servers.visualItemRect(servers.item(1)).center()
        qtbot.mouseClick(servers.viewport(), Qt.MouseButton.LeftButton, pos=row)
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=PATIENCE)
    assert load_profiles()["lab"].user == ("me" if choice == "Save" else "")
    if choice == "Keep editing":
        assert dialog.isVisible() and user.text() == "me" and dialog.former == "lab"
    elif way in ("New", "other"):
        assert user.text() == "" and dialog.former == way.replace("New", "")
    else:
        qtbot.waitUntil(lambda: not _is_open(dialog), timeout=PATIENCE)


def _is_open(dialog: ServerDialog) -> bool:
    try:
        return dialog.isVisible()
    except RuntimeError:  # deleted
        return False


def test_a_dialog_that_only_shows_closes_at_once(qtbot: QtBot) -> None:
    save_profile(Profile(name="lab", host="lab.example.org"))
    dialog = ServerDialog("lab")
    qtbot.addWidget(dialog)
    dialog.show()
    click(qtbot, dialog, "New")
    click(qtbot, dialog, "Close")
    qtbot.waitUntil(lambda: not _is_open(dialog), timeout=PATIENCE)


def test_a_port_where_nothing_answers_is_said_in_words(qtbot: QtBot) -> None:
    dialog = ServerDialog()
    qtbot.addWidget(dialog)
    dialog.form.show_profile(Profile(name="lab", host="127.0.0.1", port=free_port()))
    (lines,) = dialog.findChildren(QTextEdit)
    assert lines.placeholderText() == "Not tested yet"
    click(qtbot, dialog, "Test connection")
    assert lines.placeholderText() == "Testing…"
    qtbot.waitUntil(lambda: "nothing answers at its port" in dialog.checks.text(), timeout=PATIENCE)
    assert "Errno" not in dialog.checks.text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_form_shows_every_field_of_a_profile(qtbot: QtBot) -> None:
    form = ServerForm()
    qtbot.addWidget(form)
    for profile in (EVERYTHING, QUEUED):
        form.show_profile(profile)
        assert form.profile() == profile
    slurm = next(box for box in form.findChildren(QCheckBox) if "queue" in box.toolTip())
    assert slurm.isChecked() and not form.is_edited
    slurm.click()
    assert form.is_edited
    with pytest.raises(UserError, match="is for a queue"):
        form.profile()
    form.clear()
    with pytest.raises(UserError, match="can't be called"):
        form.profile()
    form.show_profile(Profile(name="lab", host="lab.example.org"))
    assert form.profile() == Profile(name="lab", host="lab.example.org")


def test_the_log_of_a_device_is_followed(sshd: Sshd, qtbot: QtBot, tmp_path: Path) -> None:
    activate = install_quick_python(tmp_path / "quick python")
    profile = sshd.profile(activate=activate, devices=2)
    save_profile(profile)
    launcher = RemoteLauncher(profile, tmp_path / "runs")
    run = launcher.start(quick_config(write_data(tmp_path / "data"), steps=5), "a run")
    follow_to_end(RunFollower(run, launcher))
    parent = QWidget()
    qtbot.addWidget(parent)
    window = DeviceLogWindow(run, parent, launcher)
    window.choose(1)
    qtbot.waitUntil(lambda: window.text() == "log of device 1\n", timeout=PATIENCE)
    with (sshd.work / "runs" / "a run" / "logs" / "device1" / "log.log").open("a") as log:
        log.write("step: 6\n")
    qtbot.waitUntil(lambda: window.text().endswith("step: 6\n"), timeout=PATIENCE)
    window.close()
    launcher.close()


def answer(qtbot: QtBot, text: str) -> list[str]:
    """Press a button of the question that comes next; returns where its text will be put."""
    asked: list[str] = []

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, press)
            return
        asked.append(box.informativeText())
        choice = next(found for found in box.buttons() if found.text() == text)
        qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)

    press()
    return asked


def test_a_login_is_asked_for_in_a_dialog(home: Path, qtbot: QtBot, tmp_path: Path) -> None:
    """Its words are plain text, secrets are hidden, and who cancels can try again."""
    server = AskingServer(tmp_path / "work", [[("<b>Code</b>: ", False, "CODE")]])
    server.start()
    (home / ".ssh" / "known_hosts").write_text(server.known_hosts_line())
    dialog = ServerDialog()
    qtbot.addWidget(dialog)
    dialog.form.show_profile(server.profile())
    shown: list[str] = []
    for key, words in ((Qt.Key.Key_Escape, "was not answered"), (Qt.Key.Key_Return, "host key")):

        def reply(key: Qt.Key = key) -> None:
            asking = QApplication.activeModalWidget()
            if not isinstance(asking, LoginDialog):
                QTimer.singleShot(50, reply)
                return
            shown.extend(label.text() for label in asking.findChildren(QLabel))
            (field,) = asking.findChildren(QLineEdit)
            assert field.echoMode() == QLineEdit.EchoMode.Password
            qtbot.keyClicks(field, server.code)
            qtbot.keyClick(field, key)

        reply()
        click(qtbot, dialog, "Test connection")
        qtbot.waitUntil(lambda words=words: words in dialog.checks.text(), timeout=PATIENCE)
    assert shown == ["lab asks:", "Welcome", "<b>Code</b>:"] * 2
    assert server.logins == 1
    server.stop()
    answer_logins_by(None)


@pytest.mark.parametrize(("device", "chosen"), [("auto", "ascend"), ("cpu", "cpu")])
def test_a_server_with_npus_trains_on_them_unless_told_otherwise(
    qtbot: QtBot, device: str, chosen: str
) -> None:
    save_profile(EVERYTHING.replace(device=device))
    dialog = ServerDialog("lab")
    qtbot.addWidget(dialog)
    dialog.checks.npus_seen.emit()
    assert dialog.form.profile().device == chosen
    assert dialog.form.is_edited == (device != chosen)
