"""Trainings on this machine, started, stopped, killed and resumed as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from napari_unet.launchers import local_launcher
from napari_unet.launchers.local_launcher import LocalLauncher, start_detached
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_list import summarize
from tests.training.devices.fake_npu_smi import install_npu_smi
from tests.training.devices.stub_mindspore import StubMindSpore, install_cann, path_with
from training.config import TrainingConfig, preset_config
from training.errors import UserError
from training.runs.process_record import ProcessRecord, is_alive
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


def wait_until(is_so: Callable[[], bool], run: RunDirectory) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, run.log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("is_command", [True, False])
def test_cann_is_sourced_for_a_training_on_an_npu(
    is_command: bool,
    launcher: LocalLauncher,
    config: TrainingConfig,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the window, and by ``napari-unet train``."""
    install_npu_smi(tmp_path, ids=[0, 1], busy=[0])
    install_cann(home)
    stub = StubMindSpore(tmp_path)
    for name, value in {**stub.environment, "PATH": path_with(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert launcher.list_devices() == ["ascend:0", "ascend:1", "cpu"]
    config = config.replace(device="ascend")
    if is_command:
        (tmp_path / "config.json").write_text(config.to_json())
        program = Path(sys.executable).with_name("napari-unet")
        subprocess.run([program, "train", "--config=config.json"], cwd=tmp_path, check=True)
    else:
        run = launcher.start(config, "run")
        wait_until(lambda: not launcher.is_running(run), run)
    (seen,) = stub.seen()
    assert (seen["target"], seen["id"]) == ("Ascend", 1)
    cann = str(home / "Ascend" / "cann")
    assert seen["environment"]["ASCEND_HOME_PATH"] == cann
    assert seen["environment"]["PYTHONPATH"].startswith(f"{cann}/site-packages:")


def test_a_training_runs_to_its_end_in_a_process_of_its_own(
    launcher: LocalLauncher, config: TrainingConfig
) -> None:
    run = launcher.start(config, "run 'one'")
    assert launcher.is_running(run)
    assert run.is_running()  # other programs see it at once
    with pytest.raises(UserError, match="running already"):
        launcher.resume(run)
    wait_until(lambda: not launcher.is_running(run), run)
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


def test_a_run_that_is_being_started_can_be_cancelled(
    launcher: LocalLauncher, config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launcher.start(replace(config, steps=10**6), "first")
    launcher.cancel(run)
    cancelled: list[Future[None]] = []

    def start(*arguments: Any) -> psutil.Process:
        assert launcher.is_running(run)
        cancelled.append(pool.submit(launcher.cancel, run))
        with pytest.raises(TimeoutError):  # it waits until there is something to end
            cancelled[0].result(timeout=0.5)
        return start_detached(*arguments)

    monkeypatch.setattr(local_launcher, "start_detached", start)
    with ThreadPoolExecutor(1) as pool:
        launcher.resume(run)
        cancelled[0].result()
    assert not launcher.is_running(run)


def test_of_two_windows_that_resume_a_run_either_can_cancel_it(
    launcher: LocalLauncher, config: TrainingConfig
) -> None:
    """Of the processes that they start, the one that comes too late records nothing."""
    run = RunDirectory(launcher.runs_folder / "run")
    run.create(config.replace(steps=100_000))
    command = [sys.executable, "-P", "-m", "training.train", "--run_dir", str(run.path)]
    for _window in range(2):
        start_detached(command, run.log)
    wait_until(lambda: "Another process is training" in run.log.read_text(), run)
    training = run.find_training()
    assert training is not None
    launcher.cancel(run)
    assert not is_alive(training)
    assert not run.is_running()


@pytest.mark.parametrize("names_run", [True, False])
def test_a_training_that_a_command_began_can_be_cancelled(
    launcher: LocalLauncher, config: TrainingConfig, tmp_path: Path, names_run: bool
) -> None:
    """By ``napari-unet train``, or by the zoo's command, which names no folder of its run."""
    if names_run:
        program = [str(Path(sys.executable).with_name("napari-unet")), "train"]
        options = ["--data", str(tmp_path), "--steps", "100000", "--out", "runs/run"]
    else:
        program = [sys.executable, "-m", "training.train"]
        options = [f"--data_url={tmp_path}", "--steps=100000", "--preset=compact"]
    with subprocess.Popen([*program, *options], cwd=tmp_path, stdout=subprocess.DEVNULL) as command:
        runs = launcher.runs_folder
        while not list(runs.glob("*/process.json")):
            assert command.poll() is None
            time.sleep(0.05)
        run = RunDirectory(next(runs.iterdir()))
        training = run.find_training()
        assert training is not None
        launcher.cancel(run)
        assert not is_alive(training)
        assert not run.is_running()
        command.wait(PATIENCE)


def test_a_strangers_record_of_another_process_kills_nothing(
    launcher: LocalLauncher, config: TrainingConfig
) -> None:
    run = RunDirectory(launcher.runs_folder / "theirs")
    run.create(config)
    with subprocess.Popen(["sleep", "600"]) as mine:
        ProcessRecord.of(mine.pid).write(run.process)
        is_running = launcher.is_running(run)
        launcher.cancel(run)
        is_spared = is_alive(psutil.Process(mine.pid))
        mine.kill()
    assert not is_running
    assert is_spared


def test_a_folder_that_is_no_run_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="is not a run"):
        LocalLauncher(tmp_path).cancel(RunDirectory(tmp_path / "mine"), delete=True)
    assert (tmp_path / "mine").exists()


def test_a_run_started_elsewhere_is_not_killed(
    launcher: LocalLauncher, config: TrainingConfig
) -> None:
    run = RunDirectory(launcher.runs_folder / "other")
    run.create(config)
    with run.hold():
        replace(ProcessRecord.of(os.getpid()), host="another").write(run.process)
        with pytest.raises(UserError, match="started elsewhere"):
            launcher.cancel(run, delete=True)
    assert run.config.exists()
