"""``napari-unet train``: new runs, resumed ones, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pexpect
import pytest
import tifffile
from click.testing import CliRunner

from napari_unet.cli.train import command
from napari_unet.training_python.choice import TrainingPython
from tests.terminal import Terminal
from training.config import preset_config
from training.dataset.found_meanings import (
    FoundMeaning,
    files_state,
    read_meanings,
    write_meanings,
)
from training.dataset.training_pair import open_pair
from training.dataset.training_set import load_training_set
from training.formats.stack import Stack
from training.label_convention import USUAL_BORDERS
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.label_census import LabelCensus


def train(*arguments: object, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [Path(sys.executable).with_name("napari-unet"), "train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a stack that is quick to train on."""
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    labels = np.where(random.random((5, 32, 32)) < 0.2, 0, 255).astype(np.uint8)
    tifffile.imwrite(folder / "train-volume.tif", labels // 2, photometric="minisblack")
    tifffile.imwrite(folder / "train-labels.tif", labels, photometric="minisblack")
    return folder


def test_a_run_is_made_trained_and_not_resumed_after_its_end(data: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    result = train("--data", "data", "--steps", 2, "--out", run.path, "--seed", 5, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"The run is in {run.path}." in result.stdout
    assert "step 2 of 2: soft Dice 0." in result.stdout
    assert f"Its best model: {run.path}" in result.stdout
    assert "step: " not in result.stdout  # the zoo's lines are in the log
    assert "step: 2, loss is " in run.log.read_text()
    assert run.best.exists()
    config = run.read_config()
    assert (config.preset, config.seed, config.steps) == ("compact", 5, 2)
    assert config.data_url == str(data)

    again = train("--resume", run.path)
    assert again.returncode == 2
    assert "has finished; there is nothing to resume." in again.stderr


def test_a_stopped_run_is_resumed(data: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(data), steps=2))
    files = data / "train-volume.tif", data / "train-labels.tif"
    with open_pair(*files, None) as pair:
        known = replace(pair.meaning, reading="they were counted before")
    write_meanings(run.label_meanings, [FoundMeaning(files_state(*files), USUAL_BORDERS, known)])
    run.request_stop()
    subprocess.run([sys.executable, "-m", "training.train", "--run_dir", run.path], check=True)
    assert load_state(run.events).status == "stopped"
    assert load_state(run.events).step == 1
    assert "Labels: they were counted before: 2" in run.log.read_text()
    result = train("--resume", run.path)
    assert result.returncode == 0, result.stderr
    assert load_state(run.events).status == "finished"


def test_a_configuration_file_is_taken_and_options_go_first(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(preset_config("compact", steps=1, lr=0.5, seed=9).to_json())
    run = RunDirectory(tmp_path / "run")
    result = train("--config", file, "--data", data, "--seed", 4, "--out", run.path)
    assert result.returncode == 0, result.stderr
    config = run.read_config()
    assert (config.lr, config.seed) == (0.5, 4)


def begin(data: Path, run: RunDirectory) -> Terminal:
    """A long training in a terminal, that has shown its first step."""
    program = str(Path(sys.executable).with_name("napari-unet"))
    arguments = ["train", "--data", str(data), "--steps", "5000", "--out", str(run.path)]
    terminal = Terminal(program, arguments, timeout=200, dimensions=(24, 120))
    terminal.expect(r"\d/5000 steps, loss \d\.\d+")
    return terminal


def test_a_terminal_shows_a_bar_and_ctrl_c_keeps_the_model(data: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    terminal = begin(data, run)
    terminal.sendintr()
    terminal.expect("The run run is stopped.")
    assert b"step: " not in terminal.before
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert load_state(run.events).status == "stopped"
    assert run.best.exists()
    assert run.log.read_text().endswith("The run is stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_training_ends_with_its_command(
    data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = RunDirectory(tmp_path / "run")
    terminal = begin(data, run)
    for _ in range(2 if number == signal.SIGHUP else 1):  # the shell's, then the system's
        os.kill(terminal.pid, number)
    terminal.expect(pexpect.EOF)
    terminal.close()
    while run.is_running():
        time.sleep(0.05)
    assert load_state(run.events).status == "stopped"
    assert run.best.exists()


@pytest.mark.parametrize(
    ("command", "streams"),
    [
        ("napari-unet train", "<&- >&- 2>&-"),
        ("napari-unet train", "2>&1 | true"),
        ("python -m training.train", "<&- >&- 2>&-"),
        ("python -m training.train", ">/dev/full 2>/dev/full"),
    ],
)
def test_lost_output_ends_no_training(
    data: Path, tmp_path: Path, command: str, streams: str
) -> None:
    run = RunDirectory(tmp_path / "run")
    folder, quick = Path(sys.executable).parent, preset_config("compact", steps=1)
    if command == "napari-unet train":
        arguments = f"--data {data} --steps {quick.steps} --out {run.path}"
    else:
        run.create(quick.replace(data_url=str(data)))
        arguments = f"--run_dir {run.path}"
    script = f"set -o pipefail; {folder}/{command} {arguments} {streams}"
    subprocess.run(["bash", "-c", script], check=True)
    assert load_state(run.events).status == "finished"
    assert run.log.read_text().endswith("The run is finished.\n")


def test_a_closed_terminal_stops_a_training_once(data: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(data), steps=5000))
    arguments = ["-m", "training.train", "--run_dir", str(run.path)]
    terminal = Terminal(sys.executable, arguments, timeout=200)
    terminal.expect("step: 1, loss is ")
    os.kill(terminal.pid, signal.SIGHUP)  # the shell's, then the system's
    os.close(terminal.child_fd)
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == 0
    assert load_state(run.events).status == "stopped"
    assert run.best.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "No data is given. Give --data DIR"),
        (("--data", "data", "--fold", 7), "--fold': 7 is not in the range 0<=x<=4."),
        (("--data", "data", "--device", "gpu"), "The device 'gpu' is unknown."),
        (("--data", "data", "--out", "data"), "exists and is not empty"),
        (("--data", "data", "--out", "data/train-labels.tif"), "can't be written"),
        (("--data", "data", "--config", "none.json"), "none.json can't be read"),
        (("--data", "data", "--config", "odd.json"), "odd.json: Unknown option: speed."),
        (("--data", "data", "--weights", "none.ckpt", "--out", "run"), "There is no checkpoint"),
        (("--data", "data", "--weights", "odd.json", "--out", "run"), "is not a checkpoint"),
        (("--pair", "blank.tif", "data/train-labels.tif"), "Each slice of"),
        (("--data", "data", "--weights", "data"), "data is not a run: it has no readable"),
        (("--data", "data", "--preset", "medical", "--weights", "starter"), "There is no starter"),
        (("--resume", "data"), "data is not a run: it has no readable config.json."),
        (("--resume", "data", "--seed", 3), "Give no other option, but --data"),
        (("--data", "nowhere", "--out", "run"), "nowhere"),
        (("--data", "data", "--labels", "stroke.tif", "--out", "run"), "has only one stroke of"),
    ],
)
def test_bad_input_gives_one_sentence(
    data: Path, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    (tmp_path / "odd.json").write_text(json.dumps({"speed": 3}))
    labels = tifffile.imread(data / "train-labels.tif")
    tifffile.imwrite(tmp_path / "blank.tif", np.full_like(labels, 7), photometric="minisblack")
    stroke = np.zeros_like(labels)
    stroke[0, 9:12, 9:12], stroke[0, 20, 9:12], stroke[1, 20, 9:12] = 1, 2, 2
    tifffile.imwrite(tmp_path / "stroke.tif", stroke, photometric="minisblack")
    before = sorted(path.name for path in data.iterdir())
    result = train(*arguments, folder=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(path.name for path in data.iterdir()) == before
    assert not (tmp_path / "run").exists()


def test_an_image_with_nan_is_refused(data: Path, tmp_path: Path) -> None:
    images = np.ones((5, 32, 32), np.float32)
    images[3, 2, 1] = np.nan
    tifffile.imwrite(data / "train-volume.tif", images, photometric="minisblack")
    result = train("--data", data, "--out", tmp_path / "run")
    assert result.returncode == 2
    assert "has NaN or infinite pixels" in result.stderr


@pytest.mark.parametrize("name", ["corrected.tif", "data/corrected.tif"])
def test_labels_are_found_by_their_name_in_the_data_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (data / "train-labels.tif").rename(data / "corrected.tif")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_unet.cli.train.train_here", lambda run, python: 0)
    arguments = ["--data", "data", "--labels", name, "--out", "run"]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    config = RunDirectory(tmp_path / "run").read_config()
    assert (config.data_url, config.labels) == (str(data), str(data / "corrected.tif"))


@pytest.mark.parametrize("volumes", [1, 2])
def test_a_command_counts_the_labels_and_its_training_does_not(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volumes: int
) -> None:
    """Of a training that reads its data alone."""
    shutil.copytree(data, tmp_path / "more")
    volume = tmp_path / "more" / "train-volume.tif"
    tifffile.imwrite(volume, tifffile.imread(volume) // 2, photometric="minisblack")
    counted: list[str] = []
    count = LabelCensus.of

    def note(labels: Stack, images: Stack) -> LabelCensus:
        counted.append(str(labels.path))
        return count(labels, images)

    def read_data(run: RunDirectory, python: TrainingPython) -> int:
        load_training_set(run.read_config(), read_meanings(run.label_meanings))
        return 0

    monkeypatch.setattr(LabelCensus, "of", note)
    monkeypatch.setattr("napari_unet.cli.train.train_here", read_data)
    folders = [str(data), str(tmp_path / "more")][:volumes]
    pairs = [("--pair", f"{path}/train-volume.tif", f"{path}/train-labels.tif") for path in folders]
    arguments = [*chain(*pairs), "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(command, arguments, catch_exceptions=False).exit_code == 0
    assert counted == [f"{path}/train-labels.tif" for path in folders]
