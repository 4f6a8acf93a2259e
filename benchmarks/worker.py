"""A contestant's process: makes ready, then measures once for every line on its input.

python -m benchmarks.worker TASK JSON
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
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
    return time_calls(lambda: learner.step(next(numbers), batch, False), warm_up, steps)


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
            return torch.sigmoid(network(image).float()).numpy()

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

    from napari_unet.stacks.napari_reader import get_reader

    def ours() -> None:
        [(data, *_)] = get_reader(path)(path)
        np.asarray(data[len(data) // 2])

    def whole() -> None:
        stack = tifffile.imread(path)
        np.asarray(stack[len(stack) // 2])

    return time_calls(ours if reader == "ours" else whole, 1)


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
    print(f"measured {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}", flush=True)


TASKS: dict[str, Callable[..., Measure]] = {
    task.__name__: task
    for task in (
        mindspore_step, torch_step, torch_slice, onnxruntime_slice, our_slice, open_stack,
    )
}  # fmt: skip

if __name__ == "__main__":
    main()
