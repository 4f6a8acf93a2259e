"""A contestant's process: makes ready, then measures once for every line on its input.

python -m benchmarks.worker TASK JSON
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import HAS_NORMS

Measure = Callable[[], float]
WARM_UP = 2


def mindspore_step(material: str, preset: str, steps: int, warm_up: int = WARM_UP) -> Measure:
    """A training step as the training makes it: the mean of some."""
    from training.config import preset_config
    from training.devices.placement import choose_device, prepare_environment
    from training.learning.mindspore_setup import set_up_mindspore

    prepare_environment()
    device = choose_device("cpu")
    set_up_mindspore(device, seed=0)
    from training.learning.batches import Batch
    from training.learning.learner import Learner
    from training.model.model_card import ModelCard
    from training.stacks.scaling import Scaling

    arrays = np.load(Path(material) / "batch.npz")
    batch = Batch(**arrays)
    config = preset_config(preset, batchsize=len(batch.images))
    learner = Learner(config, ModelCard(preset, Scaling("uint8", 0.0, 255.0)), device, 1000)
    numbers = iter(range(1, 1000))
    return time_calls(lambda: learner.step(next(numbers), batch, False, False), warm_up, steps)


def torch_step(
    material: str, preset: str, precision: str, steps: int, warm_up: int = WARM_UP
) -> Measure:
    """The same in PyTorch: binary cross entropy, Adam, averaged weights, channels last."""
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    from benchmarks.torch_network import OnnxNetwork
    from training.config import preset_config

    folder = Path(material)
    arrays = np.load(folder / "batch.npz")
    has_norms = (folder / HAS_NORMS).exists()
    network = OnnxNetwork(folder / "model.onnx", has_norms)
    network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-4)
    average = None
    if preset_config(preset).average_weights:
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(), use_buffers=True)
    images, wanted, weights = (torch.from_numpy(arrays[name]) for name in arrays)
    images = images.to(memory_format=torch.channels_last)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch_precision(precision):
            logits = network(images)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted, weights)
        loss.backward()
        optimizer.step()
        if average is not None:
            average.update_parameters(network)
        loss.item()

    return time_calls(step, warm_up, steps)


def torch_slice(model: str, side: int, precision: str, warm_up: int = WARM_UP) -> Measure:
    """Prediction of slices in PyTorch, with our tiling and scaling around it."""
    import torch

    from benchmarks.torch_network import OnnxNetwork

    network = OnnxNetwork(Path(model)).eval().to(memory_format=torch.channels_last)

    def forward(tile: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with torch.inference_mode(), torch_precision(precision):
            image = torch.from_numpy(tile).to(memory_format=torch.channels_last)
            found: np.ndarray[Any, Any] = torch.sigmoid(network(image).float()).numpy()
            return found

    return slices_by(forward, Path(model), side, warm_up)


def onnxruntime_slice(model: str, side: int, warm_up: int = WARM_UP) -> Measure:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def forward(tile: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = session.run(None, {"image": tile})[0]
        return found

    return slices_by(forward, Path(model), side, warm_up)


def our_slice(
    model: str,
    side: int,
    precision: str = "auto",
    count: int = 1,
    is_parallel: bool = False,
    warm_up: int = WARM_UP,
) -> Measure:
    """Prediction of slices as the window does it, or several at once as the command line does."""
    from napari_unet.prediction.predictor import load_predictor

    predictor = load_predictor(model, precision=precision, is_parallel=is_parallel)
    stack = random_stack(side, count)
    if not is_parallel:
        return time_calls(lambda: predictor.predict_slice(stack[0]), warm_up)
    measure = time_calls(lambda: list(predictor.predict(stack)), warm_up)
    return lambda: measure() / count


def open_stack(path: str, reader: str) -> Measure:
    """Opening of a stack until its middle slice is there; the first time is not measured."""
    import tifffile

    from napari_unet.stacks.napari_reader import open_files

    def ours() -> None:
        opened = open_files([Path(path)], lambda done, total: None)
        [(data, *_)] = opened.as_layers()
        np.asarray(data[len(data) // 2])

    def whole() -> None:
        stack = tifffile.imread(path)
        np.asarray(stack[len(stack) // 2])

    return time_calls(ours if reader == "ours" else whole, 1)


def save_layers(folder: str, layers: int, slices: int, side: int, what: str) -> Measure:
    """Saving of a window's layers after a stroke in each, or after all of each has changed."""
    from napari_unet.projects.opening import create_project
    from napari_unet.projects.project_writer import LayerSnapshot, ProjectWriter, Snapshot

    stacks = [np.zeros((slices, side, side), np.uint8) for _ in range(layers)]
    opened = create_project(Path(folder))
    writer = ProjectWriter(opened.project, opened.lock, opened.document)
    numbers = count()

    def save() -> None:
        number = next(numbers)
        for name, stack in enumerate(stacks):
            stack[number % slices, side // 4 : side // 2, side // 4 : side // 2] = number % 200
            writer.mark(name, {number % slices} if what == "stroke" else None)
        shown = tuple(
            LayerSnapshot(name, "labels", {"name": f"layer {name}"}, {}, None, stack, "", None)
            for name, stack in enumerate(stacks)
        )
        writer.save(Snapshot(number, shown, {"current_step": [number]}))

    return time_calls(save, 1)


def write_synced(folder: str, layers: int, slices: int, side: int) -> Measure:
    """Writing as many bytes into as many files, each brought to the disk."""
    stack = np.zeros((slices, side, side), np.uint8)
    Path(folder).mkdir()

    def write() -> None:
        for name in range(layers):
            with Path(folder, f"{name}.raw").open("wb") as file:
                stack.tofile(file)
                file.flush()
                os.fsync(file.fileno())

    return time_calls(write, 1)


def follow_run(folder: str, steps: int, pieces: int) -> Measure:
    """Following of a run from its begin, with a look after each piece of its events."""
    from napari_unet.launchers.local_launcher import LocalLauncher
    from napari_unet.runs.run_follower import RunFollower
    from training.config import preset_config
    from training.runs.run_directory import RunDirectory

    run = RunDirectory(folder)
    run.create(preset_config("compact"))
    lines, size = event_lines(steps), steps // pieces
    launcher = LocalLauncher(run.path.parent)

    def follow() -> None:
        run.events.unlink(missing_ok=True)
        follower = RunFollower(run, launcher)
        with run.events.open("ab", buffering=0) as events:
            for begin in range(0, steps, size):
                events.write(b"".join(lines[begin : begin + size]))
                follower.update()

    return time_calls(follow, 1)


def parse_lines(steps: int) -> Measure:
    """Parsing of the same events as JSON, and nothing else."""
    lines = event_lines(steps)
    return time_calls(lambda: [json.loads(line) for line in lines], 1)


def event_lines(steps: int) -> list[bytes]:
    """Events of a run's steps, a line each."""
    figures = {"epoch": 1, "images_per_second": 8.1, "lr": 1e-4, "time": 1.7e9, "kind": "step"}
    return [
        json.dumps({**figures, "step": step, "loss": 1 / step}).encode() + b"\n"
        for step in range(1, steps + 1)
    ]


def slices_by(forward: Any, model: Path, side: int, warm_up: int) -> Measure:
    import onnx

    from training.model.model_card import METADATA_KEY, ModelCard
    from training.model.slice_prediction import predict_slice

    properties = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    card = ModelCard.from_json(properties[METADATA_KEY])
    [page] = random_stack(side, 1)
    return time_calls(lambda: predict_slice(forward, page, card), warm_up)


def random_stack(side: int, count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)


def torch_precision(precision: str) -> Any:
    import torch

    return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()


def time_calls(function: Callable[[], object], warm_up: int, calls: int = 1) -> Measure:
    """Seconds that a call takes, the mean of some; after others that are not measured."""
    for _ in range(warm_up):
        function()

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - start) / calls

    return measure


def main() -> None:
    task, arguments = sys.argv[1], json.loads(sys.argv[2])
    measure = TASKS[task](**arguments)
    print("measured 0", flush=True)  # ready
    for line in sys.stdin:
        if line.strip() == "end":
            break
        print(f"measured {measure()}", flush=True)
    print(f"measured {most_megabytes()}", flush=True)


def most_megabytes() -> float:
    """The most memory that this process had. ``ru_maxrss`` would be its parent's, where larger."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(found.split()[1]) / 1024


TASKS: dict[str, Callable[..., Measure]] = {
    task.__name__: task
    for task in (
        mindspore_step, torch_step, torch_slice, onnxruntime_slice, our_slice, open_stack,
        save_layers, write_synced, follow_run, parse_lines,
    )
}  # fmt: skip

if __name__ == "__main__":
    main()
