"""A whole server with NPUs, but for the NPUs: an account over OpenSSH, and stand-ins for CANN."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from napari_unet.launchers.servers.checks import check_server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.launchers.servers.record import read_record
from tests.napari_unet.launchers.servers.loopback.ascend_server import install_ascend
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    install_quick_python,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.devices.run_processes import find_processes, find_workers
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

PROGRAM = [str(Path(sys.executable).with_name("napari-unet"))]
PATIENCE = 400


def type_in(folder: Path, *arguments: str, code: int = 0) -> str:
    """Type a command; what it printed."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("chip", "busy", "device", "problems"),
    [
        ("910A", [0], "auto", ["NPUs: 8 found; free: 1, 2, 3, 4, 5, 6, 7; busy: 0. Wait until 8 "
                               "are free, or train on fewer: --devices 4."]),
        ("910B", [], "auto", []),
        ("A3", [3], "auto", []),
        ("310P", [], "ascend", ["NPUs: The NPUs of this machine are 310P3, which MindSpore does "
                                "not compute on. Train on its CPU: --device cpu."]),
    ],
)  # fmt: skip
def test_the_test_of_a_server_sees_what_a_run_would(
    chip: str,
    busy: Sequence[int],
    device: str,
    problems: list[str],
    sshd: Sshd,
    tmp_path: Path,
) -> None:
    """CANN's own packages among it, which lie on PYTHONPATH alone."""
    install_ascend(sshd, chip, busy, others=["mindspore"])
    activate = install_quick_python(tmp_path / "quick")
    profile = sshd.profile(activate=activate, device=device, devices=8)
    checks = wait_for(check_server(profile))
    lines = [str(check) for check in checks if check.name != "disk"]
    assert [line for line in lines if line.startswith("PROBLEM")] == [
        f"PROBLEM  {problem}" for problem in problems
    ]
    listed = next(line for line in lines if "CANN's packages: " in line)
    assert re.search("hccl 8.5.0, te 8.5.0, tbe 8.5.0, attrs 8.5.0", listed)
    assert f"ok       CANN: {sshd.login}/Ascend/cann/set_env.sh" in lines


def test_an_activation_that_loses_cann_is_found(sshd: Sshd, tmp_path: Path) -> None:
    install_ascend(sshd, "910B", others=["mindspore"])
    activate = f"{install_quick_python(tmp_path / 'quick')}; unset PYTHONPATH"
    checks = wait_for(check_server(sshd.profile(activate=activate, device="ascend")))
    wrong = {check.name: check for check in checks if not check.is_ok}
    assert {"hccl", "te", "tbe"} <= wrong.keys()
    assert "keep it there" in wrong["hccl"].remedy


@pytest.mark.heavy
def test_from_the_first_command_to_the_mask(sshd: Sshd, tmp_path: Path) -> None:
    """Eight workers on its CPU, because no NPU is there; all else as on such a server."""
    install_ascend(sshd, "910B", busy=[2])
    write_data(tmp_path / "data")
    (tmp_path / "one.json").write_text(
        '{"preset": "compact", "batchsize": 1, "distribute_epochs": 5000, "eval_interval": 5000}'
    )
    python = shlex.quote(str(Path(sys.executable).parent))
    type_in(
        tmp_path,
        *("servers", "add", "lab", f"--host={sshd.address}", f"--port={sshd.port}"),
        *(f"--folder={sshd.work}", f"--activate=export PATH={python}:$PATH"),
        *("--variable=HCCL_CONNECT_TIMEOUT=1200", "--devices=7"),
    )
    tested = type_in(tmp_path, "servers", "test", "lab")
    assert "NPUs: 8 found; free: 0, 1, 3, 4, 5, 6, 7; busy: 2" in tested
    assert "lab trains on its NPUs from now on" in tested
    assert find_profile("lab").device == "ascend"

    train = ("train", "--data=data", "--remote=lab", "--config=one.json", "--device=cpu")
    run = RunDirectory(tmp_path / "runs" / "first")
    with subprocess.Popen(
        [*PROGRAM, *train, "--devices=8", "--out=runs/first"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        deadline = time.monotonic() + PATIENCE
        while not run.events.exists() or load_state(run.events).step < 2:
            assert time.monotonic() < deadline
            assert following.poll() is None, following.communicate()[0]
            time.sleep(0.1)
        workers = find_workers(read_record(run).run_id)
        environment = psutil.Process(next(iter(workers))).environ()
        type_in(tmp_path, "stop", "first")
        assert "is stopped" in following.communicate(timeout=PATIENCE)[0]
    assert sorted(workers.values()) == list(range(8))
    assert environment["HCCL_CONNECT_TIMEOUT"] == "1200"
    assert f"{sshd.login}/Ascend/cann/python/site-packages" in environment["PYTHONPATH"]
    assert "RANK_TABLE_FILE" not in environment
    assert find_processes(read_record(run).run_id) == []

    type_in(tmp_path, "fetch", "first")
    type_in(tmp_path, "predict", "runs/first", "data/train-volume.tif", "-o", "mask.tif")
    with open_stack(tmp_path / "mask.tif", "mask") as mask:
        assert mask.shape == (10, 32, 32)
    options = ("--data=data", "--remote=lab", "--device-ids=1,2", "--out=runs/second")
    assert "NPU 2 is busy. Choose others, or wait" in type_in(tmp_path, "train", *options, code=1)


@pytest.mark.heavy
def test_a_deep_test_tries_what_is_free_and_says_why_it_fails(sshd: Sshd, tmp_path: Path) -> None:
    """MindSpore itself finds no CANN behind the stand-in, as on a server with half of it."""
    install_ascend(sshd, "910B", busy=range(6))
    python = shlex.quote(str(Path(sys.executable).parent))
    profile = sshd.profile(activate=f"export PATH={python}:$PATH", device="ascend")
    checks = {check.name: check for check in wait_for(check_server(profile, deep=True))}
    assert "8 of 910B3; busy: 0, 1, 2, 3, 4, 5" in checks["chips"].text
    assert checks["NPUs"].is_ok
    for name in ("NPU 6", "NPU 7", "2 NPUs together"):
        tried = checks[name]
        assert not tried.is_ok
        assert "A library that MindSpore needs is missing: libge_runner.so" in tried.text
        assert "Source CANN's set_env.sh" in tried.remedy
