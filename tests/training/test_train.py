"""Trainings of a few steps, in real processes, through the command line."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.training.conftest import SIDE, SLICES, train, training_command
from training.config import preset_config
from training.errors import UserError
from training.metrics.neuron_metrics import NEURON_FIGURES
from training.model.weight_files import load_weights
from training.runs.run_directory import RunDirectory
from training.runs.run_paths import checkpoint_step
from training.runs.run_state import RunState, load_state

STEPS = 8
# An epoch is 5 slices, 3 steps; validation of the starter, and after steps 3, 5 and 8.
OPTIONS = ("--preset", "compact", "--batchsize", 2, "--steps", STEPS, "--device", "cpu")
PREVIEWED = 3


@pytest.fixture(scope="module")
def finished(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that nothing interrupted."""
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "finished")
    preview = ("--preview_slice", PREVIEWED)
    result = train("--data_url", small_folder, *OPTIONS, *preview, "--run_dir", run.path)
    assert result.returncode == 0, result.stderr
    assert f"step: {STEPS}, loss is " in result.stdout
    assert "Mean soft Dice, at the stack's resolution: 0." in result.stdout
    assert run.log.read_text() in result.stdout
    return run


def losses(state: RunState) -> list[float]:
    return [step["loss"] for step in state.steps]


def wait_for_step(run: RunDirectory, process: "subprocess.Popen[bytes]", step: int) -> None:
    while load_state(run.events).step < step:
        assert process.poll() is None
        time.sleep(0.005)


def assert_whole(run: RunDirectory) -> None:
    """No file of the run is half-written, whatever happened to the process."""
    json.loads(run.config.read_text())
    for path in run.checkpoints.glob("*.safetensors"):
        load_file(path)
    for path in run.preview.glob("*.png"):
        with Image.open(path) as image:
            image.load()


def test_run_directory_is_complete(finished: RunDirectory) -> None:
    state = load_state(finished.events)
    assert state.status == "finished"
    assert [step["step"] for step in state.steps] == list(range(1, STEPS + 1))
    assert [event["step"] for event in state.evaluations] == [0, 3, 5, 8]
    assert state.total_steps == STEPS
    assert state.started is not None
    assert sorted(state.started["train_slices"] + state.started["valid_slices"]) == list(
        range(SLICES)
    )
    evaluation = json.loads(finished.evaluation_json.read_text())
    assert state.best_evaluation["mean"].items() <= evaluation["mean"].items()
    assert set(evaluation["slices"][0]) >= set(NEURON_FIGURES)
    assert len(finished.evaluation_csv.read_text().splitlines()) == 1 + 1 + 1
    assert state.started["total_epochs"] == 3
    assert PREVIEWED not in state.started["valid_slices"]
    assert state.started["preview_slice"] == state.preview["slice"] == PREVIEWED
    with Image.open(finished.path / state.preview["path"]) as preview:
        assert preview.size == (SIDE, SIDE)
    assert [path.name for path in finished.list_checkpoints()] == [
        "ckpt_unet_compact_adam-1_3.safetensors",
        "ckpt_unet_compact_adam-2_5.safetensors",
        "ckpt_unet_compact_adam-3_8.safetensors",
    ]
    assert finished.best.exists()
    assert not finished.is_running()


def test_the_log_has_the_lines_of_the_zoo(finished: RunDirectory) -> None:
    lines = finished.log.read_text().splitlines()
    begin = lines.index(f"dataset length is: {STEPS}")
    assert lines[begin + 1] == "============== Starting Training =============="
    assert "============== End Training ==============" in lines[begin + 2 :]


def test_fps_leaves_out_the_wait_for_data_and_validations(finished: RunDirectory) -> None:
    fps = [float(text) for text in re.findall(r", fps is ([\d.]+)", finished.log.read_text())]
    paces = [step["images_per_second"] for step in load_state(finished.events).steps]
    assert all(alone > pace - 0.01 for alone, pace in zip(fps, paces, strict=True))
    assert sum(fps) > sum(paces) + 0.1


def test_updates_that_overflow_are_counted_and_many_are_a_warning(
    small_folder: Path, tmp_path: Path
) -> None:
    """Half precision holds no gradient at this loss scale; all else of the run goes on."""
    run = RunDirectory(tmp_path / "run")
    options = ("--preset", "compact", "--batchsize", 1, "--steps", 12, "--device", "cpu")
    scale = ("--precision", "float16", "--loss_scale", 1e9, "--FixedLossScaleManager", 1e9)
    result = train("--data_url", small_folder, *options, *scale, "--run_dir", run.path)
    assert result.returncode == 0, result.stderr
    state = load_state(run.events)
    assert all(step["is_skipped"] for step in state.steps)
    assert all(np.isfinite(losses(state)))
    (warning,) = state.warnings
    assert warning.startswith("10 updates so far were skipped")
    assert "the loss scale of 1e+09 may be too high" in warning
    assert "step: 3 is skipped: a gradient is not finite." in result.stdout
    assert "12 updates were skipped, because a gradient was not finite." in result.stdout


def test_loss_falls(finished: RunDirectory) -> None:
    values = losses(load_state(finished.events))
    assert np.mean(values[-2:]) < np.mean(values[:2])


@pytest.mark.parametrize("step", [1, 6])
def test_a_killed_run_resumes_as_if_nothing_had_been(
    finished: RunDirectory, small_folder: Path, tmp_path: Path, step: int
) -> None:
    run = RunDirectory(tmp_path / "killed")
    options = ("--data_url", small_folder, *OPTIONS, "--run_dir", run.path)
    process = subprocess.Popen(training_command(*options), stdout=subprocess.DEVNULL)
    wait_for_step(run, process, step)
    process.kill()
    process.wait()
    assert_whole(run)
    assert not run.is_running()

    assert train("--run_dir", run.path).returncode == 0
    expected, state = load_state(finished.events), load_state(run.events)
    assert state.status == "finished"
    assert [step["step"] for step in state.steps] == list(range(1, STEPS + 1))
    np.testing.assert_allclose(losses(state), losses(expected), rtol=1e-4)
    assert state.best_evaluation["mean"] == pytest.approx(
        expected.best_evaluation["mean"], rel=1e-3
    )
    weights, others = load_file(run.best), load_file(finished.best)
    for name, weight in weights.items():
        np.testing.assert_allclose(weight, others[name], rtol=1e-2, atol=1e-3)


def start(run: RunDirectory, folder: Path) -> "subprocess.Popen[bytes]":
    """A training long enough to be stopped in the middle."""
    options = ("--data_url", folder, *OPTIONS, "--steps", 1000, "--run_dir", run.path)
    return subprocess.Popen(training_command(*options), stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "file"])
def test_a_stop_request_keeps_the_model(
    small_folder: Path, tmp_path: Path, how: signal.Signals | str
) -> None:
    run = RunDirectory(tmp_path / "stopped")
    process = start(run, small_folder)
    wait_for_step(run, process, 1)
    assert run.is_running()
    if isinstance(how, signal.Signals):
        process.send_signal(how)
    else:
        run.request_stop()
    assert process.wait(timeout=60) == 0
    state = load_state(run.events)
    assert state.status == "stopped"
    assert state.step == state.evaluations[-1]["step"] < 1000
    assert run.best.exists()
    assert run.list_checkpoints()[-1].name.endswith(f"_{state.step}.safetensors")
    assert not run.stop_request.exists()


def test_a_run_starts_from_given_weights(
    finished: RunDirectory, small_folder: Path, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "second")
    options = (
        "--data_url",
        small_folder,
        *OPTIONS,
        "--steps",
        1,
        "--lr",
        1e-12,
        "--run_dir",
        run.path,
    )
    result = train(*options, "--weights", finished.best)
    assert result.returncode == 0, result.stderr
    weights, others = load_file(run.best), load_file(finished.best)
    name = "merge0.conv2.weight"
    np.testing.assert_allclose(weights[name], others[name], rtol=1e-6)


def test_a_run_that_no_longer_improves_comes_to_its_end(
    finished: RunDirectory, small_folder: Path, tmp_path: Path
) -> None:
    """So high a rate makes every model worse than the one that the run begins from."""
    run = RunDirectory(tmp_path / "run")
    rate = ("--lr", 0.5, "--lr_schedule", "constant")
    options = (*OPTIONS, "--steps", 500, "--eval_interval", 1, "--patience", 12, *rate)
    weights = ("--weights", finished.best)
    result = train("--data_url", small_folder, *options, *weights, "--run_dir", run.path)
    assert result.returncode == 0, result.stderr
    state = load_state(run.events)
    assert state.best_evaluation["step"] == 0
    # The twelfth validation is after step 30; the rate falls for a tenth of the steps.
    assert (state.status, state.step, state.total_steps) == ("finished", 34, 34)
    rates = [step["lr"] for step in state.steps]
    assert rates[:31] == [0.5] * 31
    assert rates[30:] == sorted(set(rates), reverse=True)
    assert rates[-1] == pytest.approx(0.005)

    last = run.list_checkpoints()[-1]
    last.unlink()
    assert train("--run_dir", run.path).returncode == 0
    resumed = load_state(run.events)
    assert resumed.started["first_step"] == 33
    assert (resumed.status, resumed.total_steps) == ("finished", 34)
    assert resumed.steps[-1]["lr"] == rates[-1]
    assert last.exists()


def test_a_run_goes_on_with_its_own_pixels_and_labels_alone(
    small_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small_folder, tmp_path / "data"))
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(folder), steps=2))
    run.request_stop()
    assert train("--run_dir", run.path).returncode == 0
    assert load_state(run.events).status == "stopped"
    told = {
        "labels": f"The labels of train-volume.tif are not those that {run.path} was trained on.",
        "volume": f"train-volume.tif is not the stack that {run.path} was trained on.",
    }
    for name, sentence in told.items():
        file = folder / f"train-{name}.tif"
        pages = tifffile.imread(file)
        tifffile.imwrite(file, 255 - pages, photometric="minisblack")
        result = train("--run_dir", run.path)
        assert result.returncode == 2
        assert sentence in result.stderr
        tifffile.imwrite(file, pages, photometric="minisblack")
    assert train("--run_dir", run.path).returncode == 0
    assert load_state(run.events).status == "finished"


def test_weights_of_another_network_are_refused(small_folder: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"down0.conv1.weight": np.zeros((2, 4, 3, 3), np.float32)}, foreign)
    run = RunDirectory(tmp_path / "run")
    options = ("--data_url", small_folder, *OPTIONS, "--run_dir", run.path)
    result = train(*options, "--weights", foreign)
    assert result.returncode == 2
    assert f"{foreign} is a checkpoint of another network" in result.stderr
    assert "has shape (2, 4, 3, 3), but must have shape (32, 16, 3, 3)" in result.stderr
    state = load_state(run.events)
    assert state.status == "failed"
    assert "another network" in state.failure["message"]


@pytest.mark.parametrize("content", [None, b"no checkpoint"])
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_unreadable_weights_are_reported(
    tmp_path: Path, content: bytes | None, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(path))):
        load_weights(path)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_weights_that_may_not_be_read_are_not_called_damaged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.mkdir()  # as root may read any file
    with pytest.raises(UserError, match=r"can't be read: Is a directory|can't be read: Not a reg"):
        load_weights(path)
    if os.geteuid() == 0:
        return
    path.rmdir()
    path.touch(0o000)
    with pytest.raises(UserError, match="can't be read: Permission denied"):
        load_weights(path)


def test_data_that_can_not_be_used_is_reported(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    result = train("--data_url", tmp_path, *OPTIONS, "--run_dir", run.path)
    assert result.returncode == 2
    assert "train-volume.tif" in result.stderr
    assert load_state(run.events).failure["message"] in result.stderr


def test_an_existing_run_is_not_overwritten(finished: RunDirectory, small_folder: Path) -> None:
    before = finished.events.read_bytes()
    result = train("--data_url", small_folder, *OPTIONS, "--run_dir", finished.path)
    assert result.returncode == 2
    assert "exists and is not empty" in result.stderr
    assert finished.events.read_bytes() == before


def test_an_npu_that_is_not_there_is_reported(small_folder: Path, tmp_path: Path) -> None:
    options = ("--data_url", small_folder, *OPTIONS, "--device", "ascend:7")
    result = train(*options, "--run_dir", tmp_path / "run")
    assert result.returncode == 2
    assert "No Ascend NPU is found on this machine" in result.stderr


@pytest.mark.parametrize("is_best", [True, False])
def test_an_evaluation_gives_the_run_s_own_figures(
    finished: RunDirectory, small_folder: Path, is_best: bool
) -> None:
    """Those of a checkpoint too, which has the weights that are trained beside their average."""
    weights = finished.best if is_best else finished.list_checkpoints()[-1]
    command = [sys.executable, "-m", "training.eval", "--data_url", str(small_folder)]
    command += ["--ckpt_path", str(weights), "--device", "cpu"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    state = load_state(finished.events)
    expected = (state.best_evaluation if is_best else state.evaluations[-1])["mean"]["soft_dice"]
    line = "Mean soft Dice, at the stack's resolution: "
    found = result.stdout.strip().splitlines()[-1].removeprefix(line)
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_an_evaluation_computes_in_the_precision_that_is_asked_for(
    finished: RunDirectory, small_folder: Path
) -> None:
    command = [sys.executable, "-m", "training.eval", "--data_url", str(small_folder)]
    command += ["--ckpt_path", str(finished.best), "--device", "cpu", "--precision", "bfloat16"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "MindSpore can't compute in bfloat16 on a CPU." in result.stderr


def test_a_run_whose_best_model_is_from_before_a_resume_gets_figures_of_neurons(
    small_folder: Path, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    length = ("--steps", 200, "--eval_interval", 1)
    options = ("--data_url", small_folder, *OPTIONS, *length, "--run_dir", run.path)
    process = subprocess.Popen(training_command(*options), stdout=subprocess.DEVNULL)
    while not run.list_checkpoints():  # written after the best model and its figures
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert NEURON_FIGURES[0] not in json.loads(run.evaluation_json.read_text())["mean"]
    done = checkpoint_step(run.list_checkpoints()[-1].name)
    best = run.best.read_bytes()
    config = run.read_config()  # so high a rate makes every later model worse
    run.config.write_text(config.replace(steps=done + 1, lr=0.5, lr_schedule="constant").to_json())

    assert train("--run_dir", run.path).returncode == 0
    assert run.best.read_bytes() == best
    assert load_state(run.events).best_evaluation["step"] <= done
    evaluation = json.loads(run.evaluation_json.read_text())
    assert set(evaluation["slices"][0]) >= set(NEURON_FIGURES)
    assert evaluation["mean"]["soft_dice"] == pytest.approx(load_state(run.events).best_soft_dice)
