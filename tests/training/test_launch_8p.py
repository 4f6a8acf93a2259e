"""What the launcher of several devices is asked for, and what it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.training.devices.fake_npu_smi import install_npu_smi
from tests.training.launches import Launch, wait_until
from training.config import preset_config
from training.devices.free_ports import find_free_port
from training.devices.launch_lock import launching
from training.devices.msrun_job import MsrunJob
from training.devices.node_link import HeadLink, MemberLink
from training.devices.run_processes import RUN_MARK
from training.runs.run_directory import RunDirectory

SCRIPT = Path(__file__).parents[2] / "training" / "scripts" / "run_distribute_train.sh"


@pytest.mark.parametrize(
    ("options", "is_locked", "sentence"),
    [
        (["--seed=3"], False, "has its own configuration. Leave out: --seed"),
        ([], True, "is running already"),
        (["--device_ids=2"], False, "No Ascend NPU is found"),
    ],
)
def test_node_0_hears_why_another_node_does_not_begin(
    run: RunDirectory,
    data: Path,
    launch: Callable[..., Launch],
    options: list[str],
    is_locked: bool,
    sentence: str,
) -> None:
    """On a disk that they share, node 0 launches already, and rank 0 holds the run's lock."""
    run.create(preset_config("compact", data_url=str(data), device="ascend"))
    port = find_free_port()
    job = MsrunJob(devices=2, nodes=2, master_port=port)
    other = launching(run, 1) if is_locked else nullcontext()
    with HeadLink(job) as head, launching(run), run.hold(), other:
        node = ["--devices=2", "--nodes=2", "--node_rank=1", f"--master_port={port}"]
        second = launch(*node, *options, new=False, **{RUN_MARK: ""})
        assert sentence in second.wait()
        failure = head.poll()
    assert second.process.returncode == 2
    assert failure is not None and sentence in str(failure)


def test_the_others_hear_why_node_0_does_not_begin(
    run: RunDirectory, data: Path, launch: Callable[..., Launch]
) -> None:
    run.create(preset_config("compact", data_url=str(data), device="ascend"))
    port = find_free_port()
    node = ["--devices=2", "--nodes=2", f"--master_port={port}"]
    first = launch(*node, "--seed=3", new=False, **{RUN_MARK: ""})
    with MemberLink(MsrunJob(devices=2, nodes=2, node_rank=1, master_port=port)) as member:
        wait_until(lambda: (failure := member.poll()) is not None and "--seed" in str(failure))
    assert "has its own configuration" in first.wait()
    assert first.process.returncode == 2


@pytest.mark.parametrize(
    ("npus", "busy", "arguments", "sentence"),
    [
        ([], [], [], "No Ascend NPU is found"),
        (range(4, 12), [5, 6, 7, 9], [], "only 4 of 8 are free (5, 6, 7, 9 busy)"),
        (range(8), [3], ["--device_ids=2,3"], "NPU 3 is busy"),
        (range(8), [], ["--device_ids=2,9"], "There is no NPU 9"),
        (range(8), [], ["--device_ids=2,3", "--devices=4"], "4 NPUs are needed, but 2 are named"),
        (range(8), [], ["--device_ids=two"], "device_ids is 'two'"),
        (range(8), [], ["--devices=3", "--nodes=2"], "can't be divided among 2 machines"),
        (range(8), [], ["--nodes=2", "--node_rank=2"], "node rank 2 is out of range"),
        (range(8), [], ["--master_port=65535"], "port 65535 is out of range"),
    ],
)
def test_devices_that_can_not_be_had(
    npus: list[int],
    busy: list[int],
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    launch: Callable[..., Launch],
) -> None:
    install_npu_smi(tmp_path, npus, busy)
    first = launch("--device=ascend", *arguments, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert sentence in first.wait()
    assert first.process.returncode == 2


def test_the_zoos_script_takes_devices_from_a_rank_table(data: Path, tmp_path: Path) -> None:
    install_npu_smi(tmp_path, range(8), busy=[5])
    table = tmp_path / "rank table.json"
    table.write_text('{"server_list": [{"device": [{"device_id": "4"}, {"device_id": "5"}]}]}')
    bash = shutil.which("bash") or "/bin/bash"
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [bash, SCRIPT, table, data, "--device=ascend"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
    )
    assert "NPU 5 is busy" in done.stderr
    assert done.returncode == 2
    table.write_text("{}")
    done = subprocess.run([bash, SCRIPT, table, data], capture_output=True, text=True)
    assert "is no rank table" in done.stderr
    assert done.returncode == 2
