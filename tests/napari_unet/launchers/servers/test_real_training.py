"""A server with MindSpore alone: two CPU workers behind SSH, with the local side killed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from napari_unet.launchers.servers.profiles import save_profile
from napari_unet.launchers.servers.record import read_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    follow_until_step,
    processes_on,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.training.mindspore_alone import write_python
from training.config import preset_config
from training.devices.run_processes import find_processes, find_workers, kill_processes
from training.opening import open_stack
from training.runs.event_reading import parse_events
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

PROGRAM = [str(Path(sys.executable).with_name("napari-unet"))]
STEPS, PATIENCE = 12, 400


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_to_end(folder: Path, *arguments: str) -> str:
    with start(folder, *arguments) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return output


def count_steps(run: RunDirectory) -> list[int]:
    if not run.events.exists():
        return []
    return [
        event["step"] for event in parse_events(run.events.read_bytes()) if event["kind"] == "step"
    ]


@pytest.mark.heavy
@pytest.mark.isbi
def test_a_run_whose_local_side_is_killed_comes_home(
    sshd: Sshd, isbi: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.json").write_text('{"preset": "compact", "batchsize": 1}')
    python = write_python(tmp_path / "mindspore alone")
    activate = f"export PATH='{python}':'{Path(sys.executable).parent}':$PATH"
    run_to_end(
        tmp_path,
        *("servers", "add", "lab", f"--host={sshd.address}", f"--port={sshd.port}"),
        *(f"--folder={sshd.work}", "--device=cpu", f"--activate={activate}"),
    )
    train = ("train", "--data", str(isbi), "--remote=lab", "--config=one.json")
    local = start(tmp_path, *train, "--devices=2", f"--steps={STEPS}", "--out=runs/first")
    run = RunDirectory(tmp_path / "runs" / "first")
    deadline = time.monotonic() + PATIENCE
    while len(count_steps(run)) < 3:
        assert time.monotonic() < deadline
        assert local.poll() is None, local.communicate()[0]
        time.sleep(0.1)
    local.kill()
    local.communicate()
    assert count_steps(run)[-1] < STEPS

    assert "is finished" in run_to_end(tmp_path, "follow", "first")
    assert count_steps(run) == list(range(1, STEPS + 1))
    starter = load_state(run.events).evaluations[0]
    assert starter["step"] == 0
    assert starter["mean"]["soft_dice"] > 0.9
    there = sshd.work / "runs" / "first"
    assert run.events.read_bytes() == (there / "events.jsonl").read_bytes()
    fetched = run_to_end(tmp_path, "fetch", "first")
    digest = hashlib.sha256(RunDirectory(there).best.read_bytes()).hexdigest()
    assert hashlib.sha256(run.best.read_bytes()).hexdigest() == digest
    assert digest in fetched
    stack = isbi / "test-volume.tif"
    run_to_end(tmp_path, "predict", "runs/first", str(stack), "-o", "mask.tif")
    with open_stack(stack, "images") as images, open_stack(tmp_path / "mask.tif", "mask") as mask:
        assert mask.shape == images.shape


@pytest.mark.heavy
def test_a_cancelled_run_leaves_none_of_its_workers(sshd: Sshd, tmp_path: Path) -> None:
    """Their marks are the run's id with that of the launch."""
    activate = f"export PATH='{Path(sys.executable).parent}':$PATH"
    profile = sshd.profile(activate=activate, devices=2)
    save_profile(profile)
    data = write_data(tmp_path / "data")
    config = preset_config("compact", data_url=str(data), batchsize=1, distribute_epochs=5000)
    with closing(RemoteLauncher(profile, tmp_path / "copies")) as launcher:
        run = launcher.start(config, "first")
        run_id = read_record(run).run_id
        try:
            follow_until_step(RunFollower(run, launcher), 1, PATIENCE)
            assert sorted(find_workers(run_id).values()) == [0, 1]
            launcher.cancel(run)
            assert find_processes(run_id) == []
            assert processes_on(sshd, launcher, run) == []
        finally:
            kill_processes(run_id)
