from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.widgets.train.run_watcher import RunWatcher
from training.runs.run_directory import RunDirectory

from .conftest import StagedLauncher, report

CONFIG_STEP = {"epoch": 1, "loss": 0.5, "images_per_second": 3.0, "lr": 0.1}


@pytest.fixture
def watcher(qtbot: QtBot) -> RunWatcher:
    return RunWatcher()


@pytest.fixture
def staged(stage: StagedLauncher, make_run: Callable[..., RunDirectory]) -> RunDirectory:
    """A run that goes on until the test ends it."""
    run = make_run("staged", "warning", message="slow")
    stage.running.add(run.path)
    return run


def test_every_event_is_news(
    watcher: RunWatcher, stage: StagedLauncher, staged: RunDirectory, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(watcher.progressed) as first:
        watcher.watch(staged, stage)
    assert first.args[0].state.step == 0
    with qtbot.waitSignal(watcher.progressed) as second:
        report(staged, "step", step=4, **CONFIG_STEP)
    assert second.args[0].state.step == 4
    assert watcher.is_watching
    with qtbot.waitSignal(watcher.ended) as end:
        stage.end(staged, "finished", step=9, seconds=1.0)
    assert end.args[0].status == "finished"
    assert not watcher.is_watching


def test_a_place_that_can_t_be_reached_is_tried_again(
    watcher: RunWatcher, stage: StagedLauncher, staged: RunDirectory, qtbot: QtBot
) -> None:
    stage.unreachable = True
    with qtbot.waitSignal(watcher.disturbed) as disturbance:
        watcher.watch(staged, stage)
    assert "can't be reached" in str(disturbance.args[0])
    with qtbot.waitSignal(watcher.progressed):
        stage.unreachable = False
    with qtbot.waitSignal(watcher.ended):
        stage.end(staged, "finished", step=9, seconds=1.0)


def test_a_process_that_ends_without_an_event_is_interrupted(
    watcher: RunWatcher, stage: StagedLauncher, staged: RunDirectory, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(watcher.progressed):
        watcher.watch(staged, stage)
    with qtbot.waitSignal(watcher.ended) as end:
        stage.running.clear()
    assert end.args[0].status == "interrupted"


def test_a_run_that_was_left_is_silent(
    watcher: RunWatcher,
    stage: StagedLauncher,
    staged: RunDirectory,
    make_run: Callable[..., RunDirectory],
    qtbot: QtBot,
) -> None:
    names = []
    watcher.progressed.connect(lambda progress: names.append(progress.name))
    watcher.watch(staged, stage)
    other = make_run("other")
    with qtbot.waitSignal(watcher.ended) as end:
        watcher.watch(other, LocalLauncher(other.path.parent))
    assert end.args[0].name == "other"
    assert names == ["other"]
    assert not watcher.is_watching
