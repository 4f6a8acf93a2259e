"""Where the processes of a training compute, as MindSpore is told; a stand-in listens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.control_groups import control_group
from tests.training.devices.fake_npu_smi import install_npu_smi
from tests.training.devices.stub_mindspore import StubMindSpore, install_cann, path_with
from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS
from training.devices.npus import VISIBLE
from training.devices.placement import ALONE, choose_device, place_in_run
from training.runs.run_directory import RunDirectory

# What the recipe of 2020, or ModelArts, leaves in a shell.
LEFTOVERS = {
    "RANK_SIZE": "8",
    "RANK_ID": "5",
    "RANK_TABLE_FILE": "/hccl_8p.json",
    "MINDSPORE_HCCL_CONFIG_PATH": "/hccl_8p.json",
}


@pytest.fixture
def stub(tmp_path: Path) -> StubMindSpore:
    return StubMindSpore(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run")


def start(
    stub: StubMindSpore,
    run: RunDirectory,
    module: str,
    *options: str,
    busy: Sequence[int] = (),
    chip: str = "910B3",
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Start a training on a server with eight NPUs."""
    folder = run.path.parent / "npu-smi"
    folder.mkdir()
    install_npu_smi(folder, range(8), busy, chip=chip)
    data = run.path.parent / "data"
    data.mkdir()
    for name in (DEFAULT_IMAGES, DEFAULT_LABELS):  # which are read after the devices are chosen
        (data / name).touch()
    given = {**os.environ, **stub.environment, "PATH": path_with(folder), **environment}
    command = [sys.executable, "-P", "-m", f"training.{module}", f"--data_url={data}"]
    return subprocess.run(
        [*command, "--run_dir", run.path, *options], capture_output=True, text=True, env=given
    )


def test_only_a_worker_of_msrun_is_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LEFTOVERS.items():
        monkeypatch.setenv(name, value)
    assert place_in_run() == ALONE
    assert choose_device("cpu").place == ALONE
    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    assert place_in_run() == (5, 8)


def test_one_npu_by_its_number_is_that_one_for_the_launcher_and_its_process(
    stub: StubMindSpore, run: RunDirectory, home: Path
) -> None:
    install_cann(home)
    options = ("--devices=1", "--device=ascend:3")
    done = start(stub, run, "launch_8p", *options, **LEFTOVERS, DEVICE_ID="7")
    (seen,) = stub.seen()
    assert (seen["target"], seen["id"]) == ("Ascend", 0), done.stderr
    assert seen["environment"][VISIBLE] == "3"
    assert not LEFTOVERS.keys() & seen["environment"].keys()


def test_only_the_npus_that_a_person_may_see_are_taken(
    stub: StubMindSpore, run: RunDirectory, home: Path
) -> None:
    install_cann(home)
    options = ("--devices=2", "--device=ascend")
    visible = {VISIBLE: "4,5,6,7", **LEFTOVERS}
    done = start(stub, run, "launch_8p", *options, **visible, busy=[5])
    seen = stub.seen()
    assert [process["id"] for process in seen] == [0, 1], done.stderr
    for rank, process in enumerate(seen):
        environment = process["environment"]
        assert environment[VISIBLE] == "4,6"
        assert (environment["RANK_ID"], environment["RANK_SIZE"]) == (str(rank), "2")
        assert "RANK_TABLE_FILE" not in environment
        assert "MINDSPORE_HCCL_CONFIG_PATH" not in environment
        assert environment["ASCEND_HOME_PATH"] == str(home / "Ascend" / "cann")
        assert environment["ASCEND_PROCESS_LOG_PATH"] == str(run.logs / "plog")


@pytest.mark.parametrize(
    ("options", "environment", "id"),
    [
        ((), {}, 1),  # the first that is idle
        ((), {VISIBLE: "0,2,5"}, 1),
        ((), {"DEVICE_ID": "6"}, 6),
        (("--device=ascend:5",), {VISIBLE: "4,5,6,7"}, 1),
    ],
)
def test_one_process_takes_an_idle_npu_or_the_one_named(
    options: tuple[str, ...],
    environment: dict[str, str],
    id: int,
    stub: StubMindSpore,
    run: RunDirectory,
) -> None:
    cann = {"ASCEND_HOME_PATH": "/cann", "ASCEND_PROCESS_LOG_PATH": "/mine"}
    done = start(stub, run, "train", *options, **cann, **LEFTOVERS, **environment, busy=[0])
    (seen,) = stub.seen()
    assert (seen["target"], seen["id"]) == ("Ascend", id), done.stderr
    assert not LEFTOVERS.keys() & seen["environment"].keys()
    assert seen["environment"]["ASCEND_PROCESS_LOG_PATH"] == "/mine"


@pytest.mark.parametrize(
    ("options", "environment", "busy", "sentence"),
    [
        ((), {}, [], "Before the training: source {set_env}"),
        ((), {}, range(8), "1 NPUs are needed, but only 0 of 8 are free"),
        (("--device=ascend:9",), {}, [], "There is no NPU 9 that may be used. There are: 0, 1"),
        (("--device=ascend:0",), {}, [0], "NPU 0 is busy"),
        ((), {"DEVICE_ID": "8"}, [], "DEVICE_ID is '8' in the environment, but 8 NPUs"),
        (("--device=ascend",), {VISIBLE: ""}, [], "No NPU is named by ASCEND_RT_VISIBLE_DEVICES"),
    ],
)
def test_what_can_not_be_had_is_a_sentence(
    options: tuple[str, ...],
    environment: dict[str, str],
    busy: Sequence[int],
    sentence: str,
    stub: StubMindSpore,
    run: RunDirectory,
    home: Path,
) -> None:
    set_env = install_cann(home)
    done = start(stub, run, "train", *options, **environment, busy=busy)
    assert sentence.format(set_env=set_env) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert stub.seen() == []


def test_chips_for_prediction_are_left_out_and_named(
    stub: StubMindSpore, run: RunDirectory
) -> None:
    done = start(stub, run, "train", chip="310P3")
    (seen,) = stub.seen()
    assert seen["target"] == "CPU"
    assert "310P3, which MindSpore does not compute on. The CPU does." in done.stdout


@pytest.mark.parametrize("has_cann", [True, False])
def test_several_workers_on_a_cpu_are_no_silent_surprise(
    has_cann: bool, stub: StubMindSpore, run: RunDirectory, home: Path
) -> None:
    """Where CANN is, the driver of its NPUs may just not answer."""
    if has_cann:
        install_cann(home)
    done = start(stub, run, "launch_8p", "--devices=2", **{VISIBLE: ""})
    if has_cann:
        assert "take the CPU: --device cpu" in done.stderr
        assert done.returncode == 2
    else:
        assert "2 workers on the CPU" in done.stdout
        assert [process["target"] for process in stub.seen()] == ["CPU", "CPU"]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
@pytest.mark.parametrize(("given", "threads"), [({}, "1"), ({"OMP_NUM_THREADS": "7"}, "7")])
def test_a_limit_of_cores_is_one_of_threads(given: dict[str, str], threads: str) -> None:
    code = "import os; from training.devices.placement import prepare_environment as prepare;"
    code += "prepare(); print(os.environ['OMP_NUM_THREADS'])"
    environment = {name: os.environ[name] for name in os.environ if name != "OMP_NUM_THREADS"}
    with control_group(cores=0.8) as words:
        command = [*words, sys.executable, "-c", code]
        assert (
            subprocess.check_output(command, text=True, env=environment | given) == f"{threads}\n"
        )
