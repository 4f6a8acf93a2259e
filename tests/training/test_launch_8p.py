"""Training on several devices: msrun with CPU workers, real files, real deaths."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from tests.training.devices.fake_npu_smi import install_npu_smi
from training.config import preset_config
from training.devices.launch_lock import launching
from training.devices.msrun_job import MsrunJob, free_port
from training.devices.node_link import HeadLink
from training.devices.run_processes import RUN_MARK, find_processes, find_workers, kill_processes
from training.runs.event_reading import parse_events
from training.runs.events import Event
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

PATIENCE = 240.0
SCRIPT = Path(__file__).parents[2] / "training" / "scripts" / "run_distribute_train.sh"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small stack")
    random = np.random.default_rng(0)
    inside = np.repeat(np.repeat(random.random((10, 8, 8)) < 0.7, 8, axis=1), 8, axis=2)
    images = np.clip(inside * 120 + random.normal(60, 20, inside.shape), 0, 255)
    tifffile.imwrite(folder / "train-volume.tif", images.astype(np.uint8))
    tifffile.imwrite(folder / "train-labels.tif", inside.astype(np.uint8) * 255)
    return folder


class Launch:
    """One ``python -m training.launch_8p``, with a mark of its own."""

    def __init__(self, run: RunDirectory, arguments: list[str], **environment: str) -> None:
        self.run = run
        self.id = environment.get(RUN_MARK, uuid.uuid4().hex)
        self._former_starts = self._count_starts()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "training.launch_8p", "--run_dir", run.path, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, RUN_MARK: self.id, **environment},
        )

    def wait(self) -> str:
        """What it printed, once it has ended."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        return output

    def wait_for_step(self, step: int) -> None:
        """Wait until this launch, and not one before it, has trained a step."""
        wait_until(lambda: self._has_trained(step) or self.has_ended())
        assert not self.has_ended(), self.wait()

    def _has_trained(self, step: int) -> bool:
        has_started = self._count_starts() > self._former_starts
        return has_started and load_state(self.run.events).step >= step

    def _count_starts(self) -> int:
        if not self.run.events.exists():
            return 0
        return sum(event["kind"] == "started" for event in events(self.run))

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def left(self) -> list[psutil.Process]:
        return find_processes(self.id)

    def worker(self, rank: int) -> psutil.Process:
        ids = [pid for pid, worker in find_workers(self.id).items() if worker == rank]
        return psutil.Process(ids[0])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "it's a run")


@pytest.fixture
def launch(run: RunDirectory, data: Path) -> Iterator[Callable[..., Launch]]:
    launched: list[Launch] = []

    def start(*arguments: str, new: bool = True, **environment: str) -> Launch:
        config = [f"--data_url={data}", "--preset=compact", "--batchsize=1"] if new else []
        launched.append(Launch(run, [*config, *arguments], **environment))
        return launched[-1]

    yield start
    for one in launched:
        kill_processes(one.id)
        if one.process.stdout is not None:
            one.process.stdout.close()
        one.process.wait()


def events(run: RunDirectory) -> list[Event]:
    return parse_events(run.events.read_bytes())


def losses(run: RunDirectory) -> list[float]:
    return [event["loss"] for event in events(run) if event["kind"] == "step"]


def fingerprints(run: RunDirectory, devices: int) -> set[str]:
    logs = [run.device_log(rank).read_text() for rank in range(devices)]
    return {re.findall(r"weights' SHA-256 is (\w{64})", log)[-1] for log in logs}


@pytest.mark.heavy
def test_four_workers_train_one_model(
    run: RunDirectory, data: Path, launch: Callable[..., Launch], tmp_path: Path
) -> None:
    """And step by step the one that a single process trains with the same global batch."""
    first = launch("--devices=4", "--device=cpu", "--steps=5")
    output = first.wait()
    assert first.process.returncode == 0, output
    state = load_state(run.events)
    assert state.status == "finished"
    assert state.started is not None and state.started["world_size"] == 4
    assert len(fingerprints(run, 4)) == 1
    for rank in range(4):
        assert "step: 1, loss is" in run.device_log(rank).read_text()
    assert run.best.exists()
    assert first.left() == []

    single = RunDirectory(tmp_path / "single")
    options = [f"--data_url={data}", "--preset=compact", "--device=cpu", "--steps=5"]
    command = [sys.executable, "-P", "-m", "training.train", "--run_dir", single.path]
    subprocess.run([*command, *options, "--batchsize=4"], check=True)
    assert losses(run) == pytest.approx(losses(single), rel=1e-3)


@pytest.mark.heavy
def test_a_worker_that_dies_is_reported_and_the_rest_ends(
    run: RunDirectory, launch: Callable[..., Launch]
) -> None:
    first = launch("--devices=2", "--device=cpu", "--distribute_epochs=5000", "--eval_interval=1")
    first.wait_for_step(8)
    first.worker(1).kill()
    killed = time.monotonic()
    first.wait()
    assert time.monotonic() - killed < 60
    assert first.process.returncode == 1
    assert first.left() == []
    failure = load_state(run.events).failure
    assert failure is not None
    assert failure["message"] == "The process of device 1 was killed by SIGKILL."
    assert "step: 7, loss is" in failure["traceback"]
    assert str(run.device_log(1)) in failure["remedy"]
    done = int(re.findall(r"_(\d+)\.safetensors", run.list_checkpoints()[-1].name)[0])

    again = launch("--devices=3", new=False)
    again.wait_for_step(done + 1)
    again.process.send_signal(signal.SIGTERM)
    again.wait()
    assert again.process.returncode == 0
    starts = [event for event in events(run) if event["kind"] == "started"]
    assert [start["world_size"] for start in starts] == [2, 3]
    assert starts[1]["first_step"] == done
    assert load_state(run.events).status == "stopped"
    assert len(fingerprints(run, 3)) == 1
    assert (run.device_log(0).parent / "log.1.log").exists()


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("signals", "code"), [([signal.SIGINT] * 2, 1), ([signal.SIGKILL], -signal.SIGKILL)]
)
def test_a_launcher_that_is_cancelled_or_killed_leaves_no_process(
    signals: list[int], code: int, launch: Callable[..., Launch]
) -> None:
    first = launch("--devices=2", "--device=cpu", "--distribute_epochs=5000")
    wait_until(lambda: len(find_workers(first.id)) == 2)
    for number in signals:
        first.process.send_signal(number)
        time.sleep(0.2)  # two signals at the same instant are one
    first.wait()
    assert first.process.returncode == code
    wait_until(lambda: first.left() == [])


@pytest.mark.heavy
def test_of_two_launches_at_once_one_trains_and_nobody_dies(
    run: RunDirectory, data: Path, launch: Callable[..., Launch]
) -> None:
    """Two windows resume a run on a server: both launches have the run's id."""
    run.create(preset_config("compact", data_url=str(data), device="cpu", steps=3))
    mark = {RUN_MARK: uuid.uuid4().hex}
    both = [launch(f"--devices={devices}", new=False, **mark) for devices in (2, 1)]
    outputs = {one.process.returncode: output for one in both for output in [one.wait()]}
    assert "is running already" in outputs[2]
    assert outputs.keys() == {0, 2}, outputs
    assert load_state(run.events).status == "finished"
    assert [event["kind"] for event in events(run)].count("failed") == 0
    assert both[0].left() == []


def test_a_launch_lock_that_is_a_link_is_not_followed(
    run: RunDirectory, data: Path, launch: Callable[..., Launch]
) -> None:
    run.create(preset_config("compact", data_url=str(data), device="cpu", steps=3))
    outside = run.path.with_name("outside")
    run.launch_lock.symlink_to(outside)
    first = launch("--devices=1", new=False)
    assert "launch.lock can't be written" in first.wait()
    assert first.process.returncode == 2
    assert not outside.exists()


@pytest.mark.parametrize("options", [["--epochs=0"], ["--preset=none"]])
def test_a_launch_that_is_refused_makes_no_folder(
    run: RunDirectory, launch: Callable[..., Launch], options: list[str]
) -> None:
    first = launch("--devices=1", *options)
    assert first.wait()
    assert first.process.returncode == 2
    assert not run.path.exists()


def test_a_folder_with_something_else_gets_no_lock(
    run: RunDirectory, launch: Callable[..., Launch]
) -> None:
    run.path.mkdir()
    (run.path / "mine").touch()
    first = launch("--devices=1")
    assert "is not empty" in first.wait()
    assert first.process.returncode == 2
    assert os.listdir(run.path) == ["mine"]  # noqa: PTH208


def test_one_device_needs_no_msrun(run: RunDirectory, launch: Callable[..., Launch]) -> None:
    first = launch("--devices=1", "--device=cpu", "--epochs=1")
    output = first.wait()
    assert first.process.returncode == 0, output
    assert load_state(run.events).status == "finished"
    assert output.count("step: 1, loss is") == 1
    assert run.log.read_text().count("step: 1, loss is") == 1
    assert run.device_log(0).read_text() == run.log.read_text()


def test_a_clock_that_is_set_back_meanwhile_makes_no_failure(
    run: RunDirectory, launch: Callable[..., Launch], tmp_path: Path
) -> None:
    """The launcher's clock is an hour ahead of that of the training."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(
        "import sys, time\n"
        "now = time.time\n"
        "if 'training.launch_8p' in sys.orig_argv:\n"
        "    time.time = lambda: now() + 3600\n"
    )
    path = str(tmp_path / "clock")
    first = launch("--devices=1", "--device=cpu", "--steps=1", PYTHONPATH=path)
    output = first.wait()
    assert first.process.returncode == 0, output
    assert [event["kind"] for event in events(run)].count("failed") == 0


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
    """On a disk that they share, rank 0 holds the run's lock already."""
    run.create(preset_config("compact", data_url=str(data), device="ascend"))
    port = free_port()
    job = MsrunJob(devices=2, nodes=2, master_port=port)
    with HeadLink(job) as head, run.held(), launching(run, 1) if is_locked else nullcontext():
        node = ["--devices=2", "--nodes=2", "--node_rank=1", f"--master_port={port}"]
        second = launch(*node, *options, new=False, **{RUN_MARK: ""})
        assert sentence in second.wait()
        failure = head.poll()
    assert second.process.returncode == 2
    assert failure is not None and sentence in str(failure)


def test_msruns_port_is_taken(run: RunDirectory, launch: Callable[..., Launch]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        first = launch("--devices=2", "--device=cpu", f"--master_port={port}")
        assert f"msrun can't use 127.0.0.1:{port}" in first.wait()
    assert first.process.returncode == 2
    failure = load_state(run.events).failure
    assert failure is not None and "--master_port" in failure["remedy"]


def test_mindspore_is_missing(data: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['mindspore'] = None; from training.launch_8p import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    run = RunDirectory(tmp_path / "run")
    options = [f"--data_url={data}", "--device=cpu", "--run_dir", run.path]
    done = subprocess.run([sys.executable, "-c", program, *options], capture_output=True, text=True)
    assert "MindSpore is missing" in done.stderr
    assert done.returncode == 2
    assert load_state(run.events).status == "failed"


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
