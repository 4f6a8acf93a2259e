"""Runs as their events and processes tell them, without a window."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from napari_unet.launchers.launcher import check_run_name, new_run_name
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_list import list_runs, summarize
from napari_unet.runs.run_progress import Curves, ProgressReader, trailing_mean
from training.config import preset_config
from training.errors import UserError
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

NO_NAMES = (
    "",
    "..",
    ".hidden",
    "a/b",
    "x" * 256,
    r"..\elsewhere",
    "C:run",
    "a:b",
    "con",
    "NUL.1",
    "a.",
)
FIGURES = {"dice": 0.7, "soft_dice": 0.9, "iou": 0.6, "precision": 0.7, "recall": 0.7}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with two steps and a validation, and nothing after."""
    run = RunDirectory(tmp_path / "one")
    run.create(preset_config("compact"))
    log = EventLog(run.events)
    log.append("started", device="CPU", world_size=1, first_step=0, total_steps=4, total_epochs=2)
    for step, loss in ((1, 0.8), (2, 0.4)):
        log.append("step", step=step, epoch=1, loss=loss, images_per_second=9.0, lr=0.01)
    log.append("evaluated", step=2, epoch=1, slices=[], mean=FIGURES)
    log.close()
    return run


def test_a_run_without_its_end_or_process_was_interrupted(run: RunDirectory) -> None:
    summary = summarize(run)
    assert summary.status == "interrupted"
    assert not summary.resume_problem
    assert summary.best_dice == 0.7
    assert not summary.has_model


def test_a_run_whose_lock_is_held_is_running(run: RunDirectory) -> None:
    with run.hold():
        assert summarize(run).status == "running"


def test_an_unreadable_configuration_is_reported_in_the_list(run: RunDirectory) -> None:
    run.config.write_text(json.dumps({"epochs": "many"}))
    (summary,) = list_runs(run.path.parent)
    assert summary.status == "unreadable"
    assert "epochs" in summary.problem


def test_a_missing_folder_has_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "nowhere") == []


def test_a_follower_reads_only_what_is_new(run: RunDirectory) -> None:
    follower = RunFollower(run, LocalLauncher(run.path.parent))
    assert follower.update()
    assert follower.status == "interrupted"
    assert not follower.update()
    log = EventLog(run.events)
    log.append("finished", step=4, seconds=1.0)
    log.close()
    assert follower.update()
    assert follower.status == "finished"


def test_a_run_that_is_deleted_was_interrupted(run: RunDirectory) -> None:
    follower = RunFollower(run, LocalLauncher(run.path.parent))
    follower.update()
    shutil.rmtree(run.path)
    follower.update()
    assert follower.status == "interrupted" and follower.has_ended


def test_progress_has_curves_and_figures(run: RunDirectory) -> None:
    follower = RunFollower(run, LocalLauncher(run.path.parent))
    follower.update()
    progress = ProgressReader(follower).read()
    assert progress.fraction == 0.5
    assert progress.headline == "Interrupted"
    figures = progress.figures()
    assert figures["Epoch"] == "1 of 2"
    assert figures["Best"] == "0.7000, epoch 1"
    assert Curves.of(progress.state).loss.tolist() == [0.8, 0.4]


def test_a_trailing_mean_has_fewer_values_at_the_beginning() -> None:
    import numpy as np

    assert trailing_mean(np.array([4.0, 2.0, 0.0, 1.0]), 2).tolist() == [4.0, 3.0, 1.0, 0.5]
    assert trailing_mean(np.empty(0), 2).size == 0


def test_a_new_name_is_free(tmp_path: Path) -> None:
    config, moment = preset_config("compact"), datetime(2026, 1, 2, 3, 4, 5)
    first = new_run_name(config, tmp_path, moment)
    assert first == "compact-2026-01-02-030405"
    (tmp_path / first).mkdir()
    assert new_run_name(config, tmp_path, moment) == f"{first}-2"


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_some_system_can_not_have_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="can't be called"):
        check_run_name(name)
