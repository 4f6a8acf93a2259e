"""What a training holds of its stack."""

import tracemalloc
from pathlib import Path

import numpy as np
import tifffile

from training.config import preset_config
from training.dataset.training_set import load_training_set


def test_memory_follows_the_labelled_slices(tmp_path: Path) -> None:
    shape = (150, 512, 512)
    names = {"train-volume.tif": "images", "train-labels.tif": "labels"}
    stacks = {
        kind: tifffile.memmap(tmp_path / name, shape=shape, dtype=np.uint8)
        for name, kind in names.items()
    }
    for z in (10, 140):
        stacks["images"][z] = np.random.default_rng(z).integers(1, 255, shape[1:])
        stacks["labels"][z, ::20], stacks["labels"][z, 10::20] = 1, 2
    for stack in stacks.values():
        stack.flush()
    config = preset_config("compact", data_url=str(tmp_path), label_convention="sparse")
    tracemalloc.start()
    data = load_training_set(config)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.shape == shape and sorted(data.images) == [10, 140]
    assert peak < 40 * 512 * 512, "far less than one of the stacks"
