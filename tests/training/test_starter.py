import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from training.model.saved_model import load_model
from training.runs.run_directory import RunDirectory


def test_the_command_makes_a_starter_and_its_card(tmp_path: Path) -> None:
    pytest.importorskip("mindspore")
    sizes = ("--stacks", "5", "--size", "64", "--steps", "4")
    command = [sys.executable, "-m", "training.starter", "--out", str(tmp_path), *sizes]
    subprocess.run(command, capture_output=True, check=True)
    _, card = load_model(tmp_path / "starter.safetensors")
    assert card.preset == "compact" and card.scaling.adapts and card.fold is None
    about = json.loads((tmp_path / "starter.json").read_text())
    content = (tmp_path / "starter.safetensors").read_bytes()
    assert about["sha256"] == hashlib.sha256(content).hexdigest()
    assert about["command"].endswith("--stacks 5 --size 64 --steps 4 --seed 1")
    assert len(RunDirectory(tmp_path / "run").read_config().hold_out) == 4
