"""A usual recipe in PyTorch on the ISBI stack: MONAI's BasicUNet, AdamW, crops, flips and turns.

Run as ``python -m benchmarks.torch_recipe IMAGES.tif LABELS.tif GOAL``: a line ``STEP SOFT_DICE``
for each validation of fold 1, until the soft Dice is GOAL or MOST_STEPS are done.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tifffile
import torch
from monai.networks.nets import BasicUNet
from numpy.typing import NDArray

from training.dataset.holdout import split_fold
from training.metrics.pixel_metrics import soft_dice

CROP, BATCH = 256, 8
STEPS_BETWEEN = 25  # validations
MOST_STEPS = 2000


def main(image_file: Path, label_file: Path, goal: float) -> None:
    images = tifffile.imread(image_file).astype(np.float32)
    images = (images - images.mean()) / images.std()
    membrane = tifffile.imread(label_file) == 0
    learnt, held_out = split_fold(len(images), 1)
    torch.manual_seed(1)
    random = np.random.default_rng(1)
    network = BasicUNet(spatial_dims=2, in_channels=1, out_channels=1)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for step in range(1, MOST_STEPS + 1):
        batch = [_sample(images, membrane, learnt, random) for _ in range(BATCH)]
        seen, wanted = (
            torch.from_numpy(np.stack(part)[:, None]) for part in zip(*batch, strict=True)
        )
        network.train()
        logits = network(seen.to(memory_format=torch.channels_last))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % STEPS_BETWEEN == 0:
            found = np.mean([_judge(network, images[z], membrane[z]) for z in held_out])
            print(step, found, flush=True)
            if found >= goal:
                return


def _sample(
    images: NDArray[np.float32],
    membrane: NDArray[np.bool_],
    slices: list[int],
    random: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A crop (Y, X) of a slice and its membranes, flipped and turned at random."""
    z = random.choice(slices)
    y, x = (random.integers(length - CROP + 1) for length in images.shape[1:])
    turns, is_flipped = random.integers(4), random.random() < 0.5
    parts = []
    for stack in (images, membrane):
        part = np.rot90(stack[z, y : y + CROP, x : x + CROP], turns)
        parts.append(np.ascontiguousarray(part[:, ::-1] if is_flipped else part, np.float32))
    return parts[0], parts[1]


def _judge(
    network: torch.nn.Module, image: NDArray[np.float32], membrane: NDArray[np.bool_]
) -> float:
    network.eval()
    with torch.inference_mode():
        logits = network(torch.from_numpy(image)[None, None])
    return soft_dice(torch.sigmoid(logits)[0, 0].numpy(), membrane)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
