"""A server on the loopback whose Python trains without MindSpore, in no time."""

from __future__ import annotations

import contextlib
import shlex
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.config import TrainingConfig, preset_config
from training.runs.run_directory import RunDirectory

PROGRAM = Path(__file__).with_name("quick_training.py")
PREDICTION = Path(__file__).with_name("quick_prediction.py")


def install_quick_python(folder: Path) -> str:
    """A ``python`` that plays launcher and prediction; the command line that activates it."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    names = (sys.executable, str(PROGRAM), str(PREDICTION))
    real, program, prediction = map(shlex.quote, names)
    python.write_text(
        textwrap.dedent(f"""\
            #!/bin/sh
            case "$2 $3" in
              "-m training.launch_8p") shift 3; exec {real} {program} "$@" ;;
              "-m training.predict") shift 3; exec {real} {prediction} "$@" ;;
              *) exec {real} "$@" ;;
            esac
            """)
    )
    python.chmod(0o755)
    return f"export PATH={shlex.quote(str(folder))}:$PATH"


def write_data(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for name in ("train-volume.tif", "train-labels.tif"):
        stack = random.integers(0, 2, (10, 32, 32), dtype=np.uint8) * 255
        tifffile.imwrite(folder / name, stack)
    return folder


def quick_config(data: Path, steps: int) -> TrainingConfig:
    return preset_config("compact", data_url=str(data), steps=steps)


def processes_on(sshd: Sshd, launcher: RemoteLauncher, run: RunDirectory) -> list[str]:
    """Command lines, by ``ps`` on the server, of what works in the run's folder there."""
    path = str(sshd.work / "runs" / run.name)
    listed = wait_for(Server(launcher.profile).run("ps -eo args ww"))
    return [line for line in listed.splitlines() if path in line]


def follow_to_end(follower: RunFollower, patience: float = 60) -> list[str]:
    """Update until the run has ended; returns what was told of lost connections meanwhile."""
    told = []
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while True:
        try:
            follower.update()
        except ConnectionLostError as error:
            told.append(str(error))
        if follower.has_ended:
            return told
        assert time.monotonic() < deadline, follower.state
        pause.wait(0.05)


def follow_until_step(follower: RunFollower, step: int, patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while follower.state.step < step:
        assert time.monotonic() < deadline, follower.state
        with contextlib.suppress(ConnectionLostError):
            follower.update()
        pause.wait(0.05)
