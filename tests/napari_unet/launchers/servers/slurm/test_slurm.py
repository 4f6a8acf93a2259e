"""Trainings in a real Slurm's queue, whose login node is a real OpenSSH server."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from napari_unet.launchers.launcher import Standing
from napari_unet.launchers.servers.checks import check_server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.listing import list_remote_runs
from napari_unet.launchers.servers.profiles import save_profile
from napari_unet.launchers.servers.record import read_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_progress import ProgressReader
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    follow_to_end,
    follow_until_step,
    install_quick_python,
    quick_config,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.slurm.cluster import PARTITION, Cluster
from tests.terminal import interrupt, start_on_terminal
from training.config import preset_config
from training.errors import UserError
from training.runs.event_reading import parse_events
from training.runs.run_directory import RunDirectory

PROGRAM = Path(sys.executable).with_name("napari-unet")
PATIENCE = 90.0


@pytest.fixture
def launcher(login: Sshd, cluster: Cluster, tmp_path: Path) -> Iterator[RemoteLauncher]:
    profile = login.profile(
        name="lab",
        activate=install_quick_python(tmp_path / "quick python"),
        devices=2,
        slurm=True,
        partition=PARTITION,
        time="1",
        requeue=True,
        sbatch=("#SBATCH --signal=B:USR1@45", "--cpus-per-task=2"),
    )
    save_profile(profile)
    with closing(RemoteLauncher(profile, tmp_path / "copies")) as launcher:
        yield launcher
    cluster.open_partition(True)


def update_until(follower: RunFollower, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, (follower.standing, follower.state)
        follower.update()
        time.sleep(0.05)


def job_of(standing: Standing) -> str:
    (number,) = re.findall(r"Job (\d+) ", standing.text)
    return str(number)


def test_a_run_waits_begins_goes_on_after_the_time_limit_and_comes_home(
    launcher: RemoteLauncher, login: Sshd, cluster: Cluster, tmp_path: Path
) -> None:
    hold = login.work.with_name("hold-at")
    hold.write_text("15")
    cluster.open_partition(False)
    run = launcher.start(quick_config(write_data(tmp_path / "data"), 40), "a run of mine")
    there = RunDirectory(login.work / "runs" / run.name)
    follower = RunFollower(run, launcher)
    update_until(follower, lambda: "pending: PartitionDown" in follower.standing.text)
    job = job_of(follower.standing)
    assert follower.standing == Standing(f"Job {job} is pending: PartitionDown", is_waiting=True)
    assert follower.status == "waiting" and follower.is_running
    assert ProgressReader(follower).read().headline == follower.standing.text
    (listed,) = list_remote_runs(launcher.profile)
    assert (listed.status, listed.standing) == ("waiting", follower.standing.text)

    cluster.open_partition(True)
    follow_until_step(follower, 14, PATIENCE)
    assert follower.state.steps[-1]["loss"] == 1 / 14
    update_until(follower, lambda: follower.standing.text == f"Job {job} runs on n1")
    update_until(follower, there.stop_request.exists)  # by Slurm's signal before its limit
    hold.unlink()
    update_until(follower, lambda: follower.standing.text == f"Job {job} is pending: BeginTime")
    assert (follower.status, follower.is_running) == ("stopped", True)

    # Slurm may send its signal a minute early, which would be at once; and in the second in which
    # a node has ended a job, it takes the next one for the same.
    cluster.ask("scontrol", "update", f"JobId={job}", "TimeLimit=30", "StartTime=now+2")
    assert follow_to_end(follower, PATIENCE) == []
    assert follower.status == "finished"
    events = parse_events(run.events.read_bytes())
    assert [event["step"] for event in events if event["kind"] == "step"] == [*range(1, 41)]
    starts = [event["first_step"] for event in events if event["kind"] == "started"]
    assert starts == [0, 15]
    assert run.events.read_bytes() == there.events.read_bytes()
    assert run.best.read_bytes() == there.best.read_bytes()
    assert launcher.fetch(run) == read_record(run).hashes
    assert launcher.fetch_device_log(run, 1).read_text() == "log of device 1\n"
    assert "step: 40" in run.log.read_text()


def test_stopping_takes_a_waiting_run_off_the_queue_and_ends_others(
    launcher: RemoteLauncher, login: Sshd, cluster: Cluster, tmp_path: Path
) -> None:
    config = quick_config(write_data(tmp_path / "data"), 10_000)
    cluster.open_partition(False)
    run = launcher.start(config, "first")
    follower = RunFollower(run, launcher)
    update_until(follower, lambda: follower.standing.is_waiting)
    told = start_on_terminal([PROGRAM, "follow", run.path], r"Job \d+ is pending: PartitionDown")
    assert interrupt(told)[0] == 0
    launcher.stop(run)
    follow_to_end(follower)
    assert follower.status == "stopped"

    cluster.open_partition(True)
    launcher.resume(run)
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 3)
    launcher.stop(run)
    follow_to_end(follower)
    assert follower.status == "stopped"
    assert follower.state.step >= 3

    launcher.resume(run)
    follow_until_step(follower := RunFollower(run, launcher), follower.state.step + 3)
    launcher.cancel(run)
    assert cluster.ask("squeue", "-h", "-o", "%T") == ""
    assert not launcher.is_running(run)
    assert launcher.standing(run) == Standing()


@pytest.mark.heavy
def test_two_nodes_of_a_job_train_one_model(wide_login: Sshd, tmp_path: Path) -> None:
    python = shlex.quote(str(Path(sys.executable).parent))
    profile = wide_login.profile(
        activate=f"export PATH={python}:$PATH", devices=2, slurm=True, job_nodes=2
    )
    save_profile(profile)
    config = preset_config("compact", data_url=str(write_data(tmp_path / "data")), batchsize=1)
    config = config.replace(distribute_epochs=5000, eval_interval=1000)
    with closing(RemoteLauncher(profile, tmp_path / "copies")) as launcher:
        run = launcher.start(config, "first")
        follower = RunFollower(run, launcher)
        follow_until_step(follower, 2, 240)
        assert follower.state.started is not None
        assert follower.state.started["world_size"] == 2
        update_until(follower, lambda: follower.standing.text.endswith("runs on n[1-2]"))
        launcher.stop(run)
        follow_to_end(follower, 240)
        assert follower.status == "stopped"
        logs = [launcher.fetch_device_log(run, rank).read_text() for rank in range(2)]
    first, second = (re.findall(r"weights' SHA-256 is (\w{64})", log)[-1] for log in logs)
    assert first == second


def test_what_slurm_would_refuse_is_told_before_and_can_be_mended(
    launcher: RemoteLauncher, login: Sshd, tmp_path: Path
) -> None:
    good = launcher.profile
    wrong = good.replace(partition="gpu")
    without_python = "export PATH=/usr/bin:/bin"  # whose packages take seconds to import
    for profile, is_ok, words in ((good, True, "to start at"), (wrong, False, "Invalid partition")):
        checks = wait_for(check_server(profile.replace(activate=without_python)))
        (queue,) = [check for check in checks if check.name == "queue"]
        assert queue.is_ok == is_ok
        assert words in queue.text

    save_profile(wrong)
    config = quick_config(write_data(tmp_path / "data"), 3)
    with pytest.raises(UserError, match="Invalid partition"):
        launcher.start(config, "first")
    assert not list(login.work.glob("runs/*")) and not list(tmp_path.glob("copies/*"))
    save_profile(good)
    run = launcher.start(config, "first")
    follow_to_end(follower := RunFollower(run, launcher))
    assert follower.status == "finished"
