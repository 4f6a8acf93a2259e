"""Full, read-only and vanished disks, no permission, no descriptors: a sentence, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.disk_faults import FAULTS, break_disk, fill
from tests.faults.wholeness import assert_whole, files_of, temporaries_of
from training.events import load_state
from training.run_directory import RunDirectory

OF_OUTPUTS = ("too-large", "too-many-files")
needs_mindspore = pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")


@pytest.mark.parametrize("job", ["training", "prediction", "export", "project"])
def test_a_disk_that_fails_is_told_and_nothing_is_lost(job: str, disk: Path) -> None:
    faults = FAULTS + (OF_OUTPUTS if job in ("export", "project") else ())
    break_disk(job, disk, faults)


def training(folder: Path, run: RunDirectory) -> subprocess.Popen[str]:
    options = ("--data_url", folder, "--preset", "compact", "--batchsize", 2, "--device", "cpu")
    command = [sys.executable, "-m", "training.train", "--run_dir", run.path]
    arguments = [*map(str, command), *map(str, options), "--steps", "12"]
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
    assert run.onnx.exists()
    assert not temporaries_of(run.path)


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
