"""compact: a U-Net of 0.4 million parameters that trains in minutes on a CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence

from training.presets.geometry import Geometry
from training.presets.onnx_nodes import OnnxNodes
from training.presets.preset import Preset
from training.sampling.displacement import Displacement
from training.sampling.sample import Sample
from training.sampling.samplers import CropSampler, Sampler

CROP = 128  # pixels a side
DIVISOR = 16
FOLD = 4
WIDTHS = (32, 64, 128)  # channels at each level


def make_sampler(
    slices: Sequence[Sample], displacement: Displacement, side: int, has_classes: bool
) -> Sampler:
    """Sample random crops, flipped and turned; smaller ones where all slices are smaller."""
    length = min(CROP, DIVISOR * math.ceil(side / DIVISOR))
    return CropSampler(slices, length, displacement)


def build_graph(nodes: OnnxNodes, outputs: int) -> str:
    """Build what :class:`training.networks.compact.Compact` computes."""

    def double_conv(x: str, prefix: str, channels: int) -> str:
        x = nodes.conv_norm_relu(x, f"{prefix}.conv1", f"{prefix}.norm1", channels)
        return nodes.conv_norm_relu(x, f"{prefix}.conv2", f"{prefix}.norm2", channels)

    x = double_conv(nodes.fold("image", FOLD), "down0", WIDTHS[0])
    skips = [x]
    for level in (1, 2):
        x = double_conv(nodes.pool(x), f"down{level}", WIDTHS[level])
        skips.append(x)
    for level in (1, 0):
        joined = nodes.concat([nodes.unfold(x, 2), skips[level]])
        x = double_conv(joined, f"merge{level}", WIDTHS[level])
    logits = nodes.conv(x, "logits", outputs * FOLD**2, padding=0, size=1)
    return nodes.unfold(logits, FOLD)


PRESET = Preset(
    name="compact",
    help="small and fast, for a CPU",
    network="training.networks.compact:Compact",
    # The halo holds the receptive field, so that no seam can be seen or measured. Slices have
    # zeros around them, as crops have in training: with a mirrored frame instead, the Dice of
    # ISBI's validation slices was 0.8276 for 0.8302 (fold 1, 120 epochs).
    # Of a tile 1024 x 1024 pixels are kept, which is a chunk of a Zarr folder.
    geometry=Geometry(margin=0, halo=96, divisor=DIVISOR, remainder=0, largest=1024 + 2 * 96),
    make_sampler=make_sampler,
    build_graph=build_graph,
    head="logits.",
    checkpoint_name="unet_compact",
    cpu_seconds=0.015,  # 72 s for 4608 crops
    crop=CROP,
    # From benchmarks: time to quality on fold 1 of ISBI, two cores.
    defaults={
        "epochs": 12,
        "distribute_epochs": 12,
        "batchsize": 8,
        "lr": 0.0,
        "lr_schedule": "one_cycle",
        "average_weights": True,
        "weight_decay": 1e-4,
        "weights": "starter",
    },
    # A model from a few strokes within a minute: there is little variety in so few labels.
    sparse_recipe={"epochs": 8, "flips": 1.0, "gamma": 0.3, "contrast": 0.3, "brightness": 0.2},
    learn_on_recipe={"lr": 3e-3},
    has_starter=True,
)
