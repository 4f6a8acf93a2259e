from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QLabel, QPushButton

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_progress import RunProgress
from napari_unet.runs.training_sources import LayerData, LayerStack
from napari_unet.settings import load_settings
from napari_unet.widgets.train.progress_view import TrainingProgressView
from napari_unet.widgets.train.run_buttons import RunButtons
from napari_unet.widgets.train.run_control import RunControl
from training.config import preset_config
from training.runs.run_directory import RunDirectory
from training.stacks.synthetic import synthetic_stack

from .conftest import NAME, StagedLauncher

MakeRun = Callable[..., RunDirectory]
CONFIG = preset_config("compact")


@pytest.fixture
def control(tmp_path: Path, qtbot: QtBot) -> Iterator[RunControl]:
    control = RunControl(tmp_path / "runs")
    yield control
    control.deleteLater()
    QApplication.sendPostedEvents(control, QEvent.Type.DeferredDelete)


@pytest.fixture
def data() -> LayerData:
    images, labels = synthetic_stack(slices=6, size=64)
    return LayerData(LayerStack("sections", images), LayerStack("membranes", labels))


def ended_as(status: str) -> Callable[[RunProgress], bool]:
    return lambda progress: progress.status == status


def test_a_started_run_is_followed_to_its_end(
    control: RunControl, stage: StagedLauncher, data: LayerData, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(control.progressed) as first:
        control.start(stage, data, CONFIG, "new")
    assert first.args[0].is_running
    assert control.launcher is stage
    assert control.watched == control.run
    with qtbot.waitSignal(control.ended, check_params_cb=ended_as("finished")):
        stage.end(control.run, "finished", step=9, seconds=3.0)
    assert control.watched is None
    assert control.run is not None


def test_what_is_done_is_shown_as_it_is_called(
    control: RunControl,
    stage: StagedLauncher,
    data: LayerData,
    qtbot: QtBot,
    shown: Callable[[QLabel], str],
) -> None:
    view = TrainingProgressView("dark", is_logarithmic=True)
    qtbot.addWidget(view)
    headline = view.findChildren(QLabel)[0]
    control.busy.connect(view.show_headline)
    with qtbot.waitSignal(control.progressed):
        control.start(stage, data, CONFIG, NAME)
        assert shown(headline) == f"Starting '{NAME}'"
    with qtbot.waitSignal(control.refused):
        control.resume(RunDirectory(stage.runs_folder / "gone" / NAME))
        assert shown(headline) == f"Resuming '{NAME}'"
    with qtbot.waitSignal(control.followed), qtbot.waitSignal(control.progressed):
        control.cancel()
        assert shown(headline) == f"Deleting '{NAME}'"


def test_a_run_that_can_t_be_started_changes_nothing(
    control: RunControl, stage: StagedLauncher, data: LayerData, qtbot: QtBot
) -> None:
    before = control.launcher
    unlike = LayerData(data.images, LayerStack("short", data.labels.data[:3]))
    with qtbot.waitSignal(control.refused) as refusal:
        control.start(stage, unlike, CONFIG, "new")
    assert "short" in str(refusal.args[0])
    assert (control.run, control.launcher) == (None, before)
    assert not stage.runs_folder.exists()


def test_a_run_that_can_t_be_resumed_leaves_the_followed_one(
    control: RunControl, stage: StagedLauncher, data: LayerData, tmp_path: Path, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(control.progressed):
        control.start(stage, data, CONFIG, "new")
    followed = control.run
    with qtbot.waitSignal(control.refused):
        control.resume(RunDirectory(tmp_path / "runs" / "gone"))
    assert (control.run, control.launcher) == (followed, stage)
    with qtbot.waitSignal(control.ended):
        stage.end(followed, "finished", step=9, seconds=3.0)


def test_an_ended_run_is_shown(control: RunControl, make_run: MakeRun, qtbot: QtBot) -> None:
    with qtbot.waitSignal(control.ended, check_params_cb=ended_as("stopped")):
        control.follow(make_run("old"))
    assert isinstance(control.launcher, LocalLauncher)
    assert control.watched is None


def test_a_run_is_asked_to_stop(control: RunControl, running: RunDirectory, qtbot: QtBot) -> None:
    with qtbot.waitSignal(control.progressed):
        control.follow(running)
    with qtbot.waitSignals([control.stopping, control.stop_sent]):
        control.stop()
    assert running.stop_request.exists()
    assert control.watched == running


def test_a_run_that_can_t_be_cancelled_is_followed_on(
    control: RunControl, running: RunDirectory, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(control.progressed):
        control.follow(running)
    with (
        qtbot.waitSignal(control.not_ended) as failure,
        qtbot.waitSignals([control.busy, control.followed, control.progressed]),
    ):
        control.cancel()  # another process than a training's holds it
    assert "started elsewhere" in str(failure.args[0])
    assert control.watched == running


def test_what_was_refused_is_done_again(
    control: RunControl, make_run: MakeRun, qtbot: QtBot
) -> None:
    run = make_run("old")
    run.config.rename(run.path / "elsewhere")
    with qtbot.waitSignal(control.refused):
        control.resume(run)
    (run.path / "elsewhere").rename(run.config)
    with qtbot.waitSignal(control.followed) as followed:
        control.repeat()
    assert followed.args[0] == run
    with qtbot.waitSignal(control.cancelled):
        control.cancel()


def test_a_cancelled_run_is_deleted(control: RunControl, make_run: MakeRun, qtbot: QtBot) -> None:
    run = make_run("old")
    with qtbot.waitSignal(control.ended):
        control.follow(run)
    with qtbot.waitSignal(control.cancelled):
        control.cancel()
    assert control.run is None
    assert not run.path.exists()


def test_a_run_whose_server_is_unknown_is_not_followed(
    control: RunControl, make_run: MakeRun, qtbot: QtBot
) -> None:
    run = make_run("copy")
    run.remote.write_text("{}")
    with qtbot.waitSignal(control.refused) as refused:
        control.follow(run)
    assert control.run is None
    assert str(run.remote) in str(refused.args[0])


def test_only_a_run_that_goes_on_is_remembered(
    control: RunControl, running: RunDirectory, make_run: MakeRun, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(control.ended):
        control.follow(make_run("old"))
    control.leave_running()
    assert load_settings().followed_run == ""
    with qtbot.waitSignal(control.progressed):
        control.follow(running)
    control.leave_running()
    assert load_settings().followed_run == str(running.path)


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
