"""medical: the model zoo's UNetMedical, with its preprocessing, augmentation and defaults.

"The zoo" is, everywhere in this package, the folder ``official/cv/Unet`` of the repository
``mindspore/models`` at commit eab643f51336dbf7d711f02d27e6516e5affee59 (17 July 2023), at
https://gitee.com/mindspore/models and https://github.com/mindspore-ai/models. From there are:

- ``src/unet_medical/unet_model.py``, ``unet_parts.py``: the network, its parameters' names,
  shapes and initial weights.
- ``src/data_loader.py``: folds, preprocessing and augmentation.
- ``src/loss.py``, ``train.py``: loss, optimizer, half precision on Ascend.
- ``src/utils.py``, ``eval.py``: the soft Dice and the lines that are printed.
- ``unet_medical_config.yaml``: names and defaults of the options.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.presets.geometry import Geometry
from training.presets.onnx_nodes import OnnxNodes
from training.presets.preset import Preset
from training.sampling.displacement import Displacement
from training.sampling.sample import Sample
from training.sampling.samplers import Sampler, WholeSliceSampler

# Pixels a side: image_size and crop of unet_medical_config.yaml.
INPUT_LENGTH, OUTPUT_LENGTH = 572, 388
# 64 -> 56, 136 -> 104, 280 -> 200 and 568 -> 392, whatever the tile's size.
SKIP_BORDERS = (4, 16, 40, 88)
WIDTHS = (64, 128, 256, 512, 1024)  # channels at each level


def make_sampler(
    slices: Sequence[Sample], displacement: Displacement, side: int, has_classes: bool
) -> Sampler:
    """Sample whole slices as the zoo does, which takes no notice of displacement and size."""
    return WholeSliceSampler(slices, INPUT_LENGTH, OUTPUT_LENGTH, has_classes)


def build_graph(nodes: OnnxNodes, outputs: int) -> str:
    """Build what :class:`training.networks.medical.UNetMedical` computes."""

    def double_conv(x: str, prefix: str, channels: int) -> str:
        x = nodes.relu(nodes.conv(x, f"{prefix}.double_conv.0", channels, padding=0))
        return nodes.relu(nodes.conv(x, f"{prefix}.double_conv.2", channels, padding=0))

    x = double_conv("image", "inc", WIDTHS[0])
    skips = [x]
    for level in (1, 2, 3, 4):
        x = double_conv(nodes.pool(x), f"down{level}.maxpool_conv.1", WIDTHS[level])
        skips.append(x)
    for level, border in zip((1, 2, 3, 4), SKIP_BORDERS, strict=True):
        channels = WIDTHS[4 - level]
        upsampled = nodes.relu(nodes.up(x, f"up{level}.up", channels))
        cropped = nodes.crop(skips[4 - level], border)
        x = double_conv(nodes.concat([upsampled, cropped]), f"up{level}.conv", channels)
    logits = nodes.conv(x, "outc.conv", max(outputs, 2), padding=0, size=1)
    if outputs > 1:
        return logits
    return nodes.node("Sub", [nodes.channel(logits, 0), nodes.channel(logits, 1)])


PRESET = Preset(
    name="medical",
    help="the model zoo's UNetMedical, for an NPU",
    network="training.networks.medical:UNetMedical",
    has_two_channels=True,
    geometry=Geometry(margin=92, halo=0, divisor=16, remainder=4, largest=516),
    make_sampler=make_sampler,
    build_graph=build_graph,
    head="outc.",
    checkpoint_name="unet_medical",
    cpu_seconds=8.0,
    learn_on_recipe={"lr": 3e-5},
    slice_length=OUTPUT_LENGTH,
    measures_displacement=False,
    has_half_precision=True,  # the level O3 of train.py
)
