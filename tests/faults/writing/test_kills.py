"""SIGKILL at every boundary of a write, at any byte and at any moment: nothing is lost."""

from __future__ import annotations

import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.faults.scale import scaled
from tests.faults.writing.campaign import run_campaign
from tests.faults.writing.wholeness import assert_whole, files_of, temporaries_of
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

STEPS = 8


@pytest.mark.parametrize("job", ["training", "prediction", "export", "project"])
def test_a_kill_leaves_whole_files_and_loses_nothing(job: str, tmp_path: Path) -> None:
    run_campaign(job, tmp_path / "place", scaled(6))


@pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")
def test_a_training_that_is_killed_again_and_again(small_folder: Path, tmp_path: Path) -> None:
    """A real one: each start is killed sooner or later, and the last one finishes."""
    options = (
        "--data_url", small_folder, "--preset", "compact", "--batchsize", 2,
        "--steps", STEPS, "--device", "cpu",
    )  # fmt: skip
    whole, killed = (RunDirectory(tmp_path / name) for name in ("whole", "killed"))
    assert start(whole, 0, *options).returncode == 0
    moments = random.Random(0)
    given = options
    for _ in range(scaled(1)):
        assert start(killed, moments.randint(12, 60), *given).returncode in (-9, 0)
        given = ()
        assert_whole(files_of(killed.path))
        assert not killed.is_running()
    assert start(killed, 0).returncode == 0
    assert not temporaries_of(killed.path)
    expected, state = load_state(whole.events), load_state(killed.events)
    assert state.status == "finished"
    assert [step["step"] for step in state.steps] == list(range(1, STEPS + 1))
    losses = [[step["loss"] for step in run.steps] for run in (state, expected)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def start(run: RunDirectory, at: int, *options: object) -> subprocess.CompletedProcess[str]:
    """A training that is killed at its ``at``-th boundary; 0: never."""
    command = [sys.executable, "-m", "tests.faults.writing.killing", run.path, at]
    command += ["training.train", "--run_dir", run.path, *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True)
