"""One job on two servers: two network namespaces, each with an address and an sshd."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from napari_unet.launchers.servers.profiles import save_profile
from napari_unet.launchers.servers.record import read_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from tests.napari_unet.launchers.servers.loopback.namespaces import SUBNET, two_namespaces
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    follow_to_end,
    follow_until_step,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import SSHD, Sshd, free_port
from training.config import preset_config
from training.devices.run_processes import find_processes, find_workers, kill_processes
from training.runs.event_reading import parse_events
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

PATIENCE = 240.0


@pytest.fixture
def namespaces() -> Iterator[list[str]]:
    with two_namespaces() as names:
        yield names


@pytest.fixture
def nodes(
    namespaces: list[str], home: Path, tmp_path: Path, client_key: Path
) -> Iterator[list[Sshd]]:
    if SSHD is None:
        pytest.skip("OpenSSH's sshd is not installed: apt-get install openssh-server")
    port = free_port()
    disk = tmp_path / "disk"  # the same path, another folder on each node
    disk.mkdir()
    servers = []
    for number, namespace in enumerate(namespaces, start=1):
        folder = tmp_path / f"node{number}"
        folder.mkdir()
        public = client_key.with_suffix(".pub")
        servers.append(Sshd(folder, public, f"{SUBNET}.{number}", port, namespace, disk))
        servers[-1].start()
    lines = [server.known_hosts_line() for server in servers]
    (home / ".ssh" / "known_hosts").write_text("".join(lines))
    yield servers
    for record in tmp_path.glob("copies/*/remote.json"):
        kill_processes(read_record(RunDirectory(record.parent)).run_id)
    for server in servers:
        server.stop()


def fingerprints(launcher: RemoteLauncher, run: RunDirectory) -> list[str]:
    logs = [launcher.fetch_device_log(run, rank).read_text() for rank in range(2)]
    return [re.findall(r"weights' SHA-256 is (\w{64})", log)[-1] for log in logs]


@pytest.mark.heavy
def test_two_servers_train_one_model_and_fall_together(nodes: list[Sshd], tmp_path: Path) -> None:
    python = shlex.quote(str(Path(sys.executable).parent))
    profile = nodes[0].profile(
        nodes=(nodes[1].address,),
        devices=2,
        master_addr=nodes[0].address,
        folder=str(tmp_path / "disk" / "my work"),
        activate=f"export PATH={python}:$PATH",
    )
    save_profile(profile)
    with closing(RemoteLauncher(profile, tmp_path / "copies")) as launcher:
        check_two_nodes(launcher, nodes, tmp_path)


def check_two_nodes(launcher: RemoteLauncher, nodes: list[Sshd], tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    config = preset_config("compact", data_url=str(data), batchsize=1, distribute_epochs=5000)
    run = launcher.start(config.replace(eval_interval=1000), "first")
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 3, PATIENCE)
    assert follower.state.started is not None
    assert follower.state.started["world_size"] == 2
    launcher.stop(run)
    follow_to_end(follower, PATIENCE)
    assert follower.status == "stopped"
    first, second = fingerprints(launcher, run)
    assert first == second

    done = load_state(run.events).step  # later steps are those of the next start
    launcher.resume(run)
    follower = RunFollower(run, launcher)
    follow_until_step(follower, done + 3, PATIENCE)
    run_id = read_record(run).run_id
    for process in find_processes(run_id):
        if find_workers(run_id).get(process.pid) == 1:  # on the second node
            process.kill()
    killed = time.monotonic()
    follow_to_end(follower, PATIENCE)
    assert time.monotonic() - killed < 60
    assert follower.status == "failed"
    assert follower.state.failure is not None
    assert (
        f"On the node {nodes[1].address}: The process of device 1 was killed by SIGKILL"
        in (follower.state.failure["message"])
    )
    deadline = time.monotonic() + 30
    while find_processes(run_id):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    starts = [
        event for event in parse_events(run.events.read_bytes()) if event["kind"] == "started"
    ]
    assert starts[1]["first_step"] == done >= 3
