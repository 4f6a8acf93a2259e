"""Runs on several devices: msrun with CPU workers, real files, real deaths."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.launches import Launch, events, fingerprints, losses, wait_until
from training.config import preset_config
from training.devices.run_processes import RUN_MARK, find_workers
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

# Rank 0 measures neurons for seconds; rank 1 notes when it says that the run has ended.
SLOW_END = """
import os, time
if os.environ.get("MS_ROLE") == "MS_WORKER":
    from training import console
    from training.metrics.evaluation_report import Evaluation

    def measure(evaluation, *_):
        time.sleep(3)
        return evaluation

    def say(text, *arguments, **options):
        if text.startswith("The run is ") and os.environ["RANK_ID"] == "1":
            with open(os.environ["ENDED"], "w") as file:
                file.write(str(time.time()))
        return former(text, *arguments, **options)

    Evaluation.with_neuron_figures = measure
    former, console.say = console.say, say
"""
# Rank 1 alone weighs its pixels, in two steps, by more than half precision holds.
LOUD = """
import os
if os.environ.get("RANK_ID") == "1" and os.environ.get("MS_ROLE") == "MS_WORKER":
    from training.learning.batches import Batches

    def from_step(batches, first):
        for step, batch in former(batches, first):
            loud = batch._replace(weights=batch.weights * batch.weights.dtype.type(1e5))
            yield step, loud if step in (2, 3) else batch

    former, Batches.from_step = Batches.from_step, from_step
"""


@pytest.mark.heavy
def test_workers_train_one_model(
    run: RunDirectory, data: Path, launch: Callable[..., Launch], tmp_path: Path
) -> None:
    """And step by step the one that a single process trains with the same global batch.

    None of them leaves before the first one's work is done.
    """
    ended = tmp_path / "ended"
    (tmp_path / "sitecustomize.py").write_text(SLOW_END)
    environment = {"PYTHONPATH": str(tmp_path), "ENDED": str(ended)}
    first = launch("--devices=2", "--device=cpu", "--steps=5", **environment)
    output = first.wait()
    assert first.process.returncode == 0, output
    state = load_state(run.events)
    assert state.status == "finished"
    assert state.started is not None and state.started["world_size"] == 2
    assert len(fingerprints(run, 2)) == 1
    for rank in range(2):
        assert "step: 1, loss is" in run.device_log(rank).read_text()
    assert run.best.exists()
    assert first.left() == []
    assert float(ended.read_text()) >= run.evaluation_json.stat().st_mtime

    single = RunDirectory(tmp_path / "single")
    options = [f"--data_url={data}", "--preset=compact", "--device=cpu", "--steps=5"]
    command = [sys.executable, "-P", "-m", "training.train", "--run_dir", single.path]
    subprocess.run([*command, *options, "--batchsize=2"], check=True)
    assert losses(run) == pytest.approx(losses(single), rel=1e-3)


@pytest.mark.heavy
def test_an_update_that_overflows_on_one_device_is_skipped_on_all(
    run: RunDirectory, launch: Callable[..., Launch], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOUD)
    options = ("--devices=2", "--device=cpu", "--steps=5", "--precision=float16")
    first = launch(*options, PYTHONPATH=str(tmp_path))
    assert "2 updates were skipped" in first.wait()
    for rank in range(2):
        skipped = re.findall(r"step: (\d) is skipped", run.device_log(rank).read_text())
        assert skipped == ["2", "3"]
    assert len(fingerprints(run, 2)) == 1
    assert losses(run)[-1] < losses(run)[0]


@pytest.mark.heavy
def test_all_workers_end_a_run_that_no_longer_improves(
    run: RunDirectory, launch: Callable[..., Launch]
) -> None:
    """At so low a rate no validation after those of the first steps brings a better model."""
    rate = ("--lr=1e-12", "--lr_schedule=constant")
    first = launch(
        "--devices=2", "--device=cpu", "--steps=500", "--eval_interval=1", "--patience=1", *rate
    )
    assert "step: " in first.wait()
    state = load_state(run.events)
    assert state.status == "finished"
    assert state.step == state.total_steps < 100
    assert len(fingerprints(run, 2)) == 1


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


@pytest.mark.parametrize("is_by_hand", [False, True])
def test_a_request_to_stop_that_comes_while_a_launch_begins(
    run: RunDirectory, data: Path, launch: Callable[..., Launch], is_by_hand: bool
) -> None:
    """Whoever starts it over SSH has withdrawn older requests before; nobody else has."""
    run.create(preset_config("compact", data_url=str(data), device="cpu", steps=3, batchsize=1))
    run.request_stop()
    mark = {RUN_MARK: "" if is_by_hand else "1f"}
    assert launch("--devices=1", new=False, **mark).wait()
    assert load_state(run.events).status == ("finished" if is_by_hand else "stopped")


@pytest.mark.parametrize(
    ("nodes", "place", "sentence"),
    [(1, 0, "msrun can't use 127.0.0.1:"), (2, 1, "The nodes can't meet at 127.0.0.1:")],
)
def test_a_port_is_taken(
    run: RunDirectory, launch: Callable[..., Launch], nodes: int, place: int, sentence: str
) -> None:
    """Of the two that follow each other, msrun's and that of the line between the nodes."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        options = ["--devices=2", "--device=cpu", f"--master_port={port - place}"]
        first = launch(*options, f"--nodes={nodes}")
        output = first.wait()
    assert f"{sentence}{port}" in output
    assert "Traceback" not in output
    assert first.process.returncode == 2
    assert first.left() == []
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
