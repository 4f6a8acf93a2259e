"""A place whose trainings do what a test says, in real run directories."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_unet.launchers.launcher import Standing
from napari_unet.widgets.train.setup_control import SetupControl
from napari_unet.widgets.train.setup_view import TrainingSetupView
from training.config import TrainingConfig, preset_config
from training.dataset.found_meanings import FoundMeaning
from training.errors import UserError
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

NAME = "<b>x<b>&amp;"  # a name, not markup


class StagedLauncher:
    """A place in which a training goes on until :meth:`end`; its events are the test's."""

    name = "The stage"

    def __init__(self, runs_folder: Path) -> None:
        self.runs_folder = runs_folder
        self.running: set[Path] = set()
        self.unreachable = False

    def list_devices(self) -> list[str]:
        return ["ascend:0", "cpu"]

    def start(
        self, config: TrainingConfig, name: str, known: Sequence[FoundMeaning] = ()
    ) -> RunDirectory:
        run = RunDirectory(self.runs_folder / name)
        run.create(config)
        self.resume(run)
        return run

    def resume(self, run: RunDirectory) -> None:
        self.running.add(run.path)
        report_start(run)

    def stop(self, run: RunDirectory) -> None:
        self.end(run, "stopped", step=1, seconds=2.0)

    def cancel(self, run: RunDirectory, *, delete: bool = False) -> None:
        raise UserError(f"{run.name} can't be ended.", "Try again.")

    def is_running(self, run: RunDirectory) -> bool:
        return run.path in self.running

    def standing(self, run: RunDirectory) -> Standing:
        return Standing()

    def refresh(self, run: RunDirectory) -> None:
        if self.unreachable:
            raise UserError(f"{self.name} can't be reached.", "Look at its cable.")

    def end(self, run: RunDirectory, kind: str, **values: Any) -> None:
        report(run, kind, **values)
        self.running.discard(run.path)


def report(run: RunDirectory, kind: str, **values: Any) -> None:
    """Write an event, as the run's training would."""
    log = EventLog(run.events)
    log.append(kind, **values)
    log.close()


def report_start(run: RunDirectory) -> None:
    report(
        run,
        "started",
        **{"device": "CPU", "world_size": 1, "first_step": 0},
        **{"total_steps": 9, "total_epochs": 3, "preview_slice": 2, "valid_slices": [2]},
    )


@pytest.fixture
def stage(tmp_path: Path) -> StagedLauncher:
    return StagedLauncher(tmp_path / "staged runs")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunDirectory]:
    """``make_run(name, kind, **values)`` gives a run on this machine that ended with an event."""

    def make(name: str, kind: str = "stopped", classes: str = "", **values: Any) -> RunDirectory:
        run = RunDirectory(tmp_path / "runs" / name)
        run.create(preset_config("compact", classes=classes))
        report_start(run)
        report(run, kind, **(values or {"step": 1, "seconds": 2.0}))
        return run

    return make


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunDirectory]:
    """A run that this process holds, as if it trained in it."""
    run = RunDirectory(tmp_path / "runs" / NAME)
    run.create(preset_config("compact"))
    report_start(run)
    with run.hold():
        yield run


@pytest.fixture
def view(viewer: ViewerModel, qtbot: QtBot) -> TrainingSetupView:
    view = TrainingSetupView(viewer, {})
    qtbot.addWidget(view)
    return view


@pytest.fixture
def control(view: TrainingSetupView) -> SetupControl:
    return SetupControl(view)
