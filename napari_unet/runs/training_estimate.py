"""How long a training on a CPU takes, estimated before it begins."""

from __future__ import annotations

import math

from training.config import FOLDS, TrainingConfig
from training.label_convention import LabelConvention
from training.presets.registry import find_preset
from training.sampling.samplers import FEWEST_SAMPLES

HOUR, MINUTE = 3600, 60  # seconds


def estimate_seconds(config: TrainingConfig, labelled: int, shape: tuple[int, int]) -> float:
    """Estimate how long a training takes on two cores of a CPU, in seconds.

    Parameters
    ----------
    labelled : int
        Slices with labels.
    shape : (int, int)
        Pixels of a slice (Y, X).
    """
    preset = find_preset(config.preset)
    if config.steps:
        return config.steps * config.batchsize * preset.cpu_seconds
    slices = max(1, round(labelled * (FOLDS - 1) / FOLDS))
    crops = 1 if preset.crop is None else max(1, round(math.prod(shape) / preset.crop**2))
    samples = slices * crops
    if preset.crop is not None and config.label_convention == LabelConvention.SPARSE:
        samples = max(samples, FEWEST_SAMPLES)
    return config.epochs * samples * preset.cpu_seconds


def estimate_text(seconds: float) -> str:
    """Say how long a training on this CPU takes, and what takes less where that is long."""
    if seconds < HOUR:
        return f"About {max(1, round(seconds / MINUTE))} min on this CPU."
    hours = round(seconds / HOUR)
    return f"⚠ About {hours} h on this CPU. Fewer epochs, compact, or an NPU take less."
