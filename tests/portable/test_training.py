"""A training is started, outlives who started it, stops and is resumed on every system."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.prediction.predictor import load_predictor
from tests.portable.systems import run_python
from training.config import preset_config
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.synthetic import write_synthetic

pytestmark = [
    pytest.mark.portable,
    pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore"),
]

STEPS = 60
START = """
import sys
from pathlib import Path
from napari_unet.launchers.local_launcher import LocalLauncher
from training.config import preset_config
config = preset_config("compact", data_url=sys.argv[1], device="cpu", steps=int(sys.argv[3]))
LocalLauncher(Path(sys.argv[2])).start(config, "run")
"""
TRAIN = "import sys; from napari_unet.cli.main import main; sys.argv[0] = 'napari-unet'; main()"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_synthetic(folder, slices=6, size=64)
    return folder


def wait_until(is_so: Callable[[], bool], run: RunDirectory, patience: float = 200.0) -> None:
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, run.log.read_text("utf-8", errors="replace")
        time.sleep(0.02)


def step_of(run: RunDirectory) -> int:
    return load_state(run.events).step if run.events.exists() else 0


def test_a_training_goes_on_alone_stops_and_is_resumed(data: Path, tmp_path: Path) -> None:
    run_python(START, data, tmp_path, STEPS)  # it has ended, and the training goes on
    run, launcher = RunDirectory(tmp_path / "run"), LocalLauncher(tmp_path)
    wait_until(lambda: step_of(run) > 0, run)
    process = run.find_training()
    assert launcher.is_running(run) and process is not None
    if sys.platform == "win32":
        assert process.nice() == psutil.BELOW_NORMAL_PRIORITY_CLASS
    else:
        assert process.nice() > psutil.Process().nice()
    launcher.stop(run)
    wait_until(lambda: not launcher.is_running(run), run)
    stopped = load_state(run.events)
    assert stopped.status == "stopped" and 0 < stopped.step < STEPS
    assert not run.process.exists() and not run.stop_request.exists()
    launcher.resume(run)
    wait_until(lambda: step_of(run) > stopped.step and not launcher.is_running(run), run)
    assert load_state(run.events).status == "finished" and step_of(run) == STEPS
    with open_stack(data / "test-volume.tif") as stack:
        pixels = [stack.read(z) for z in range(len(stack))]
    assert len(list(load_predictor(run.path).predict(pixels))) == len(pixels)
    launcher.cancel(run, delete=True)
    assert not run.path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of Ctrl-C to one process")
def test_a_command_that_is_interrupted_keeps_its_model(data: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(data), device="cpu", steps=10_000))
    command = [sys.executable, "-c", TRAIN, "train", "--resume", str(run.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: step_of(run) > 0 or process.poll() is not None, run)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert load_state(run.events).status == "stopped" and run.has_model
