"""Compute a little on a device, and among several, and say how that went: a process of its own.

Prints a line that begins with ``@@probe`` and holds JSON. Under msrun the devices add up their
ranks, and a large array as fast as they can.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from training.console import say
from training.devices.placement import (
    choose_device,
    is_scheduler,
    prepare_environment,
)
from training.errors import UserError
from training.learning.mindspore_setup import serve_as_scheduler, set_up_mindspore

SIDE, CHANNELS, BATCH, REPEATS = 128, 64, 4, 10
REDUCED_MIB, COPIED_MIB = 16, 64
_TOLERANCE = 2e-2  # of float16's sums of 576 products, which a chip may compute in


def main() -> int:
    """Run the probe; returns its exit code, 2 where a person can mend what is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="ascend")
    requested = parser.parse_args().device
    prepare_environment()
    try:
        device = choose_device(requested)
        if is_scheduler():
            serve_as_scheduler(device)
            return 0
        set_up_mindspore(device, seed=1)
    except UserError as error:
        say(f"Error: {error}", to_stderr=True)
        return 2
    found: dict[str, Any] = {"rank": device.rank, "device": device.label}
    found |= _reduce(device.rank, device.world_size) if device.world_size > 1 else _convolve()
    say(f"@@probe {json.dumps(found)}")
    return 0


def _convolve() -> dict[str, Any]:
    """Convolve, compare with NumPy, and measure GFLOP/s and the bandwidth of copies in GB/s."""
    from mindspore import Tensor, nn

    random = np.random.default_rng(0)
    image = random.normal(size=(1, CHANNELS, 8, 8)).astype(np.float32)
    layer = nn.Conv2d(CHANNELS, CHANNELS, 3, pad_mode="valid", has_bias=False)
    weight = random.normal(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
    layer.weight.set_data(Tensor(weight))
    shifts = [image[0, :, y : y + 6, x : x + 6] for y in range(3) for x in range(3)]
    expected = np.einsum("oik,kiyx->oyx", weight.reshape(CHANNELS, CHANNELS, 9), np.stack(shifts))
    error = np.abs(layer(Tensor(image)).asnumpy()[0] - expected).max() / np.abs(expected).max()

    large = Tensor(random.normal(size=(BATCH, CHANNELS, SIDE, SIDE)).astype(np.float32))
    layer(large).asnumpy()  # compiles
    begun = time.perf_counter()
    for _ in range(REPEATS):
        result = layer(large)
    result.asnumpy()
    seconds = (time.perf_counter() - begun) / REPEATS
    work = 2 * 9 * CHANNELS**2 * BATCH * (SIDE - 2) ** 2
    return {
        "is_right": bool(error < _TOLERANCE),
        "error": float(error),
        "gflops": work / seconds / 1e9,
        "copy": _copy_bandwidth(),
    }


def _copy_bandwidth() -> float:
    """Measure copies of an array to the device and back, in GB/s."""
    from mindspore import Tensor

    array = np.ones(COPIED_MIB << 18, np.float32)
    (Tensor(array[:1]) + 1).asnumpy()
    begun = time.perf_counter()
    (Tensor(array) + 1).asnumpy()
    return 2 * array.nbytes / (time.perf_counter() - begun) / 1e9


def _reduce(rank: int, world_size: int) -> dict[str, Any]:
    """Add up over all devices, and measure the bandwidth of an all-reduce in GB/s."""
    from mindspore import Tensor, ops

    add_up = ops.AllReduce()
    total = float(add_up(Tensor(np.array([rank], np.float32))).asnumpy()[0])
    large = Tensor(np.ones(REDUCED_MIB << 18, np.float32))
    add_up(large).asnumpy()  # connects
    begun = time.perf_counter()
    last = float(add_up(large).asnumpy()[-1])
    seconds = time.perf_counter() - begun
    is_right = total == world_size * (world_size - 1) / 2 and last == world_size
    # Each device sends and receives 2 (n - 1) / n of the array in a ring.
    sent = 2 * (world_size - 1) / world_size * (REDUCED_MIB << 20)
    return {"is_right": is_right, "devices": world_size, "reduce": sent / seconds / 1e9}


if __name__ == "__main__":
    sys.exit(main())
