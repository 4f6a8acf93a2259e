"""What a training does beside its steps: making samples, validating, writing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.report import Settings, Table
from benchmarks.side_by_side import ROOT
from training.runs.event_reading import parse_events
from training.runs.run_directory import RunDirectory

PRESETS = ("medical", "compact")
THREADS = (1, 2)
SECONDS = 6.0  # a measurement of samples
REPETITIONS = 3


def run(settings: Settings) -> list[Table]:
    return [_samples(settings), _share_of_steps(settings)]


def _samples(settings: Settings) -> Table:
    rows = []
    for preset in PRESETS:
        for threads in THREADS:
            command = [sys.executable, "-m", "benchmarks.beside_steps", preset, str(threads)]
            command += [str(settings.data), str(0.5 if settings.is_quick else SECONDS)]
            found = [_measure(command) for _ in range(settings.repetitions(REPETITIONS))]
            rows.append([preset, str(threads), f"{max(found):.0f}", f"{min(found):.0f}"])
    how = (
        "Samples a second that a process makes, without a network: "
        f"the best and the worst of {REPETITIONS} times {SECONDS:.0f} s."
    )
    return Table("Samples", how, ["preset", "threads", "samples/s", "worst"], rows)


def _measure(command: list[str]) -> float:
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _share_of_steps(settings: Settings) -> Table:
    """The zoo's schedule of eight devices: 1600 epochs of 24 slices, 128 in a step."""
    run = RunDirectory(settings.folder / "one-layer")
    devices = 2 if settings.is_quick else 8
    command = [sys.executable, "-m", "training.launch_8p", "--preset", "one_layer"]
    command += ["--data_url", str(settings.data), "--device", "cpu", "--devices", str(devices)]
    command += ["--run_dir", str(run.path), *(["--steps", "6"] if settings.is_quick else [])]
    folder = Path(__file__).with_name("one_layer")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    events = parse_events(run.events.read_bytes())
    times = [event["time"] for event in events if event["kind"] == "step"]
    [end] = [event["time"] for event in events if event["kind"] == "finished"]
    validations = sum(event["kind"] == "evaluated" for event in events)
    # The first step is compiled; each line gives the images of one process a second.
    rates = re.findall(r", fps is ([\d.]+)", run.device_log(0).read_text())[1:]
    batchsize = json.loads(run.config.read_text())["batchsize"]
    steps = sum(batchsize / float(rate) for rate in rates)
    row = [str(devices), str(len(times)), str(validations), f"{end - times[0]:.1f}"]
    how = (
        "`python -m training.launch_8p` with `medical`'s samples, batch and schedule, and a "
        "network of one layer, on workers of the CPU: from the end of the first step to the end of "
        "the run, and the share of that in which the first worker was in a step."
    )
    header = ["workers", "steps", "validations", "s", "share of steps"]
    return Table("Time beside the steps", how, header, [[*row, f"{steps / (end - times[0]):.1%}"]])


def main() -> None:
    """Print the samples a second of a preset, threads and a data folder, in some seconds."""
    from training.config import preset_config
    from training.dataset.training_set import load_training_set
    from training.learning.batches import Batches
    from training.model.card_of_training import describe_model

    preset, threads, data_folder, seconds = sys.argv[1:]
    config = preset_config(preset, data_url=data_folder, steps=1_000_000)
    data = load_training_set(config)
    batches = Batches(data, describe_model(config, data), config)
    with ThreadPoolExecutor(int(threads)) as pool:
        batches.batch(1, pool)
        start, step = time.perf_counter(), 1
        while time.perf_counter() - start < float(seconds):
            step += 1
            batches.batch(step, pool)
        taken = time.perf_counter() - start
    print((step - 1) * config.batchsize / taken)


if __name__ == "__main__":
    main()
