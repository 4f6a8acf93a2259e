"""Predictions in a real Slurm's queue, as a person types them."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.launchers.servers.predictions.record import PredictionState, log_path
from napari_unet.launchers.servers.predictions.request import PredictionRequest
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import save_profile
from tests.napari_unet.launchers.servers.loopback.begun_command import begun, read_until
from tests.napari_unet.launchers.servers.loopback.quick_server import install_quick_python
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import TypeIn, folder, type_in
from tests.napari_unet.launchers.servers.slurm.cluster import PARTITION, Cluster
from training.model.starter_model import starter_path
from training.runs.run_directory import RunDirectory

__all__ = ["folder", "type_in"]
PATIENCE = 60.0
COMMAND = ("predict", "starter", "stack.tif", "--remote=lab", "-o", "mask.tif")


@pytest.fixture
def lab(login: Sshd, cluster: Cluster, tmp_path: Path) -> Iterator[Profile]:
    """A queue for trainings on two nodes; a prediction takes one."""
    profile = login.profile(
        name="lab",
        activate=install_quick_python(tmp_path / "quick python"),
        devices=2,
        slurm=True,
        partition=PARTITION,
        requeue=True,
        job_nodes=2,
        sbatch=("--signal=B:USR1@45",),
    )
    save_profile(profile)
    yield profile
    cluster.ask("scancel", "--signal=KILL", "--user=root")
    cluster.open_partition(True)


def read_job(process: subprocess.Popen[str], standing: str) -> str:
    (number,) = re.findall(rf"Job (\d+) {standing}\n", read_until(process, standing)[-1])
    return str(number)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def name_there(login: Sshd) -> str:
    return max((login.work / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns).name


def test_a_prediction_waits_runs_is_queued_again_and_comes_home_whole(
    lab: Profile, login: Sshd, cluster: Cluster, folder: Path, type_in: TypeIn
) -> None:
    hold = login.work.with_name("hold-slice")
    hold.write_text("3")
    cluster.open_partition(False)
    with begun(folder, *COMMAND) as process:
        job = read_job(process, "is pending: PartitionDown")
        name = name_there(login)
        assert type_in("runs").output.split() == [name, "waiting", "-", "lab"]
        listed = type_in("runs", "--remote=lab").output
        assert listed.split()[:2] == [name, "waiting"]
        assert listed.endswith(f"Job {job} is pending: PartitionDown\n")
        assert f"{name} is waiting, so it" in type_in("fetch", name).errors

        cluster.open_partition(True)
        said = read_until(process, "3 of 6 slices")
        if not any(f"Job {job} runs on n" in line for line in said):  # the queue is asked seldom
            read_until(process, f"Job {job} runs on n")
        assert type_in("runs", "--remote=lab").output.split()[:3] == [name, "running", "3/6"]
        cluster.ask("scontrol", "requeue", job)
        read_until(process, f"Job {job} is pending: BeginTime")
        assert not list((login.work / "runs" / name).glob("*mask*"))
        kept = (login.work / "runs" / name / "slices").glob("*.npz")
        assert sorted(path.name for path in kept) == ["0.npz", "1.npz", "2.npz"]
        hold.unlink()
        cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now+2")
        assert any("Slices done before: 3" in line for line in read_until(process, "mask: "))
        assert process.wait() == 0
    expected = tifffile.imread(folder / "stack.tif") / np.float32(255)
    np.testing.assert_array_equal(tifffile.imread(folder / "mask.tif") == 0, expected >= 0.5)
    assert not list((login.work / "runs").iterdir()) and not list((folder / "runs").iterdir())


def test_a_prediction_is_taken_off_the_queue_stopped_and_ended_by_others(
    lab: Profile, login: Sshd, cluster: Cluster, folder: Path, type_in: TypeIn
) -> None:
    login.work.with_name("hold-slice").write_text("2")
    request = PredictionRequest(starter_path(), folder / "stack.tif", {"mask": ""})
    launcher = PredictionLauncher(lab, folder / "runs")

    def begin(name: str, is_new: bool = True) -> RunDirectory:
        begun = launcher.predict(request, name)
        assert begun.is_new == is_new
        return begun.run

    def follow(run: RunDirectory, is_so: Callable[[PredictionState], bool]) -> PredictionState:
        def is_so_now() -> bool:
            launcher.refresh(run)
            return is_so(launcher.state(run))

        wait_until(is_so_now)
        return launcher.state(run)

    with closing(launcher):
        cluster.open_partition(False)
        first = begin("first")
        waits = follow(first, lambda state: "PartitionDown" in state.standing)
        assert waits.status == "waiting"
        launcher.stop(first)
        assert follow(first, lambda state: state.status != "waiting").status == "stopped"
        cluster.open_partition(True)

        second = begin("second")
        assert follow(second, lambda state: state.done == 2).status == "running"
        assert type_in("stop", "second").output == "second ends now, and keeps nothing.\n"
        assert follow(second, lambda state: state.status != "running").status == "stopped"
        assert not list((login.work / "runs" / "second").glob("*mask*"))

        third = begin("third")
        job = "".join(re.findall(r"\d+", follow(third, lambda state: state.done == 2).standing)[:1])
        cluster.ask("scancel", job)
        ended = follow(third, lambda state: state.status != "running")
        why = (
            f"Slurm on lab ended the prediction's job {job}: it was cancelled. Resume it, or "
            "predict again: it goes on after the slices that are done."
        )
        assert ended.status == "interrupted" and ended.problem == why
        assert why in type_in("fetch", "third").errors
        assert why in type_in("runs", "--remote=lab").output

        assert begin("fourth", is_new=False).path == third.path  # what was ended so goes on
        log = log_path(third)
        follow(third, lambda _: "Slices done before: 2" in log.read_text())
        assert type_in("stop", "third", "--now").output == "No process of third is left.\n"
        assert follow(third, lambda state: state.status != "running").status == "interrupted"

        launcher.resume(third)
        follow(third, lambda _: log.read_text().count("Slices done before: 2") == 2)
        assert re.search(r"Job \d+ runs on n", launcher.state(third).standing)
        launcher.cancel(third)
    assert cluster.ask("squeue", "-h", "-o", "%T") == ""


def test_what_keeps_a_job_from_predicting_is_told(
    lab: Profile, login: Sshd, folder: Path, type_in: TypeIn
) -> None:
    save_profile(lab.replace(partition="gpu"))
    refused = type_in(*COMMAND)
    assert refused.code == 2 and "Invalid partition" in refused.errors
    assert not list((folder / "runs").iterdir()) and not list((login.work / "runs").iterdir())
