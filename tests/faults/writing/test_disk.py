"""Full, read-only and vanished disks, no permission, no descriptors: a sentence, nothing lost."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.faults.writing.disk_faults import FAULTS, break_disk, fill
from tests.faults.writing.wholeness import assert_whole, files_of, temporaries_of
from tests.napari_unet.conftest import WriteModel
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

OF_OUTPUTS = ("too-large", "too-many-files")
needs_mindspore = pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")


@pytest.mark.parametrize("job", ["training", "prediction", "export", "project"])
def test_a_disk_that_fails_is_reported_and_nothing_is_lost(job: str, disk: Path) -> None:
    faults = FAULTS + (OF_OUTPUTS if job in ("export", "project") else ())
    break_disk(job, disk, faults)


def training_command(folder: Path, run: RunDirectory, steps: int) -> list[str]:
    options = ("--data_url", folder, "--preset", "compact", "--batchsize", 2, "--device", "cpu")
    command = [sys.executable, "-m", "training.train", "--run_dir", run.path, *options]
    return [*map(str, command), "--steps", str(steps)]


def training(folder: Path, run: RunDirectory) -> subprocess.Popen[str]:
    arguments = training_command(folder, run, 12)
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_line(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(process.stderr and process.stderr.read())


@needs_mindspore
def test_a_training_goes_on_while_the_disk_is_full(small_folder: Path, disk: Path) -> None:
    """To its end, where it says what could not be kept; resumed with room, all is there."""
    run = RunDirectory(disk / "run")
    process = training(small_folder, run)
    wait_for_line(process, "epoch: 1,")
    ballast = fill(disk)
    output, errors = process.communicate()
    assert process.returncode == 2, errors
    assert "step: 12, loss is" in output
    assert "waits to be written" in errors
    assert "The training came to its end, but its" in errors
    assert not temporaries_of(run.path)
    assert_whole(files_of(run.path))

    ballast.unlink()
    resume = [sys.executable, "-m", "training.train", "--run_dir", str(run.path)]
    result = subprocess.run(resume, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    state = load_state(run.events)
    assert state.status == "finished"
    assert [step["step"] for step in state.steps] == list(range(1, 13))
    assert run.best.exists()
    assert not temporaries_of(run.path)


def test_a_demo_that_finds_no_room_says_so_and_leaves_nothing(disk: Path) -> None:
    fill(disk)
    program = Path(sys.executable).with_name("napari-unet")
    command = [program, "demo", "--out", disk / "out"]
    with Path("/dev/full").open("wb") as full:  # nor has its output any
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert f"Error: {disk}/out" in done.stderr and " can't be written: " in done.stderr
    assert not (disk / "out").exists()


@pytest.mark.parametrize("count", [5, 6, 7, 8, 20])
def test_a_prediction_with_few_descriptors(
    count: int, write_model: WriteModel, tmp_path: Path
) -> None:
    stack, mask = tmp_path / "stack.tif", tmp_path / "mask.tif"
    tifffile.imwrite(stack, np.zeros((5, 40, 48), np.uint8))
    program = Path(sys.executable).with_name("napari-unet")
    command = [program, "predict", write_model(), stack, "-o", mask]
    check_few_descriptors(count, command, tmp_path, mask)


@needs_mindspore
def test_a_training_with_few_descriptors(small_folder: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    check_few_descriptors(6, training_command(small_folder, run, 2), run.path, run.best)


def check_few_descriptors(
    count: int, command: Sequence[object], folder: Path, result: Path
) -> None:
    """A process that may open ``count`` files does its work, or says what it lacks."""
    limit = (count, count)
    process = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit),
    )
    assert process.returncode in (0, 2), process.stderr
    assert result.exists() == (process.returncode == 0)
    assert not temporaries_of(folder)
    if process.returncode:
        last_line = process.stderr.splitlines()[-1]
        assert last_line.startswith("Error: ") and "ulimit -n" in last_line, process.stderr
    assert "Traceback" not in process.stderr


@needs_mindspore
def test_a_training_ends_where_its_folder_has_vanished(small_folder: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    process = training(small_folder, run)
    wait_for_line(process, "step: 1,")
    run.path.rename(tmp_path / "elsewhere")
    _, errors = process.communicate()
    assert process.returncode == 2, errors
    assert f"Error: The folder of the run has vanished: {run.path}." in errors
    assert "Traceback" not in errors
    assert not run.path.exists()
