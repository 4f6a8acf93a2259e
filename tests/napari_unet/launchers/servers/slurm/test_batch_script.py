"""What a job does, by real bash; the training and Slurm's scontrol are short programs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path, PurePosixPath

import pytest

from napari_unet.launchers.servers.slurm.batch_script import batch_script, request_stop
from napari_unet.launchers.servers.slurm.options import JobOptions
from training.runs.run_paths import RunPaths

PATIENCE = 30.0


class Job:
    """A job in a run's folder, whose training ends at a stop request as a test says."""

    def __init__(self, folder: Path, *, requeue: bool, ending: str = "stopped") -> None:
        self.run = RunPaths(folder / "it's a run")
        self.run.path.mkdir(parents=True)
        self.there = RunPaths(PurePosixPath(self.run.path))
        self.programs = folder / "bin"
        self.programs.mkdir()
        self._write("scontrol", f'echo "$@" > {shlex.quote(str(folder / "requeued"))}')
        self._write("scancel", "")
        self._write(
            "python",
            "touch began; until [ -e stop ]; do sleep 0.02; done; touch seen\n"
            "until [ -e let-go ]; do sleep 0.02; done\n"
            f"""echo '{{"kind": "{ending}", "step": 3}}' >> events.jsonl""",
        )
        options = JobOptions(requeue=requeue)
        self.script = batch_script(
            options, self.there, "python=python", ["KEY=a b"], '"$python"', ["--devices=2"]
        )
        self.environment = {
            **os.environ,
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "7",
            "HOME": str(folder),
        }
        self.requeued = folder / "requeued"

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["bash", "-c", self.script], env=self.environment)

    def ask_to_stop(self) -> None:
        script = f"main() {{\n{request_stop(self.there, 'abc')}\n}}\nmain"
        subprocess.run(["bash", "-c", script], env=self.environment, check=True)

    def wait_for(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not (self.run.path / name).exists():
            assert time.monotonic() < deadline, name
            time.sleep(0.01)

    def _write(self, name: str, commands: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{commands}\n")
        path.chmod(0o755)


@pytest.mark.parametrize(
    ("requeue", "ending", "is_asked", "goes_on"),
    [
        (True, "stopped", False, True),
        (True, "stopped", True, False),
        (True, "finished", False, False),
        (False, "stopped", False, False),
    ],
)
def test_only_what_the_time_limit_has_stopped_is_queued_again(
    tmp_path: Path, requeue: bool, ending: str, is_asked: bool, goes_on: bool
) -> None:
    job = Job(tmp_path, requeue=requeue, ending=ending)
    with job.start() as process:
        job.wait_for("began")
        process.send_signal(signal.SIGUSR1)
        job.wait_for("seen")
        if is_asked:  # a person's word comes while the training saves
            job.ask_to_stop()
        (job.run.path / "let-go").touch()
        assert process.wait(PATIENCE) == 0
    assert job.requeued.exists() == goes_on
    assert not goes_on or job.requeued.read_text() == "requeue 7\n"


def test_a_stop_that_a_person_asked_for_is_not_forgotten_in_the_queue(tmp_path: Path) -> None:
    job = Job(tmp_path, requeue=True)
    job.ask_to_stop()
    with job.start() as process:
        assert process.wait(PATIENCE) == 0
    assert not (job.run.path / "began").exists()


def test_the_stop_of_a_lost_job_does_not_stop_the_next_one(tmp_path: Path) -> None:
    """Where Slurm takes a node away the training hears SIGTERM, and asks itself to stop."""
    job = Job(tmp_path, requeue=True)
    job.run.stop_request.touch()
    (job.run.path / "let-go").touch()
    with job.start() as process:
        job.wait_for("began")
        assert not (job.run.path / "seen").exists()
        job.run.stop_request.touch()
        assert process.wait(PATIENCE) == 0
    assert not job.requeued.exists()
