"""Trainings in a Python that was named, started from one without MindSpore."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from napari_unet.training_python import places
from napari_unet.training_python.choice import TrainingPython, find_training_python
from tests.napari_unet.training_python.stand_ins import run
from training.stacks.synthetic import write_synthetic

pytestmark = pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")


def test_training_in_a_named_python(python: Path, tmp_path: Path) -> None:
    data, trained = tmp_path / "data", tmp_path / "runs" / "first"
    write_synthetic(data, 6, 64)
    train = ("train", "--data", data, "--steps", 2, "--out", trained)
    assert_refused(train, "napari-unet setup", trained)
    code, output, errors = run("setup", "--python", python)
    assert code == 0, errors
    assert f"Trainings run in {python}" in output
    code, _, errors = run(*train)
    assert code == 0, errors
    assert (trained / "checkpoints" / "best.safetensors").exists()
    (source,) = places.sources().iterdir()
    assert {path.name for path in source.iterdir()} == {"training", ".training.lock"}
    python.rename(python.with_name("elsewhere"))
    assert_refused((*train[:-1], tmp_path / "second"), f"is gone: {python}", tmp_path / "second")


def assert_refused(train: tuple[object, ...], told: str, trained: Path) -> None:
    """It says why, and makes nothing."""
    code, _, errors = run(*train)
    assert code == 2 and told in errors, errors
    assert not trained.exists()


def test_a_python_that_has_mindspore_is_used(home: Path) -> None:
    python = find_training_python()
    assert python == TrainingPython(Path(sys.executable))
    assert python.environment({"A": "1"}) == {"A": "1"}
    assert not places.home().exists()


def test_what_misleads_another_python_is_kept_from_it(python: Path) -> None:
    environment = TrainingPython(python).environment({"PYTHONHOME": "/usr", "PYTHONPATH": "mine"})
    assert "PYTHONHOME" not in environment
    own, mine = environment["PYTHONPATH"].split(":")
    assert mine == "mine" and (Path(own) / "training" / "train.py").exists()
