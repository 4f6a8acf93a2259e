"""Trainings on this machine, started, stopped, killed and resumed as real processes."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_list import summarize
from training.config import TrainingConfig, preset_config
from training.errors import UserError
from training.runs.process_record import find_process
from training.runs.run_directory import RunDirectory
from training.stacks.synthetic import synthetic_stack

PATIENCE = 240


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    import tifffile

    images, labels = synthetic_stack(slices=6, size=64)
    tifffile.imwrite(tmp_path / "train-volume.tif", images)
    tifffile.imwrite(tmp_path / "train-labels.tif", labels)
    return preset_config("compact", data_url=str(tmp_path), steps=3, device="cpu")


@pytest.fixture
def launcher(tmp_path: Path) -> LocalLauncher:
    return LocalLauncher(tmp_path / "runs")


def wait_for_end(run: RunDirectory) -> None:
    process = find_process(run.process)
    if process is not None:
        _, alive = psutil.wait_procs([process], timeout=PATIENCE)
        assert not alive, run.log.read_text()


def test_a_training_runs_to_its_end_in_a_process_of_its_own(
    launcher: LocalLauncher, config: TrainingConfig
) -> None:
    run = launcher.start(config, "run 'one'")
    assert launcher.is_running(run)
    with pytest.raises(UserError, match="running already"):
        launcher.resume(run)
    wait_for_end(run)
    follower = RunFollower(run, launcher)
    follower.update()
    assert follower.status == "finished", run.log.read_text()
    assert follower.state.step == 3
    assert "step: 3" in run.log.read_text()


def test_a_name_is_used_once(launcher: LocalLauncher, config: TrainingConfig) -> None:
    RunDirectory(launcher.runs_folder / "taken").create(config)
    with pytest.raises(UserError, match="not empty"):
        launcher.start(config, "taken")


def test_a_cancelled_run_leaves_no_process_and_no_folder(
    launcher: LocalLauncher, config: TrainingConfig
) -> None:
    run = launcher.start(config.replace(steps=100_000), "long")
    launcher.cancel(run)
    assert not launcher.is_running(run)
    assert summarize(run).status == "interrupted"
    launcher.cancel(run, delete=True)
    assert not run.path.exists()


def test_a_folder_that_is_no_run_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="is no run"):
        LocalLauncher(tmp_path).cancel(RunDirectory(tmp_path / "mine"), delete=True)
    assert (tmp_path / "mine").exists()


def test_a_run_started_elsewhere_is_not_killed(
    launcher: LocalLauncher, config: TrainingConfig
) -> None:
    run = RunDirectory(launcher.runs_folder / "other")
    run.create(config)
    with run.held(), pytest.raises(UserError, match="started elsewhere"):
        launcher.cancel(run, delete=True)
    assert run.config.exists()
