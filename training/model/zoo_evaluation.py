"""The model zoo's own way to evaluate a slice, which its published figure is measured by.

``create_dataset`` of its ``src/data_loader.py`` resizes image and label to the network's output and
puts zeros around the image, which are a middling grey; ``dice_coeff`` of ``src/utils.py`` compares
at that size. See :mod:`training.presets.medical` for the repository and its version.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.pixel_metrics import soft_dice
from training.model.model_card import ModelCard
from training.model.tiling import Forward
from training.presets.registry import find_preset
from training.sampling.resampling import resize_bilinear
from training.sampling.transforms import LABEL_THRESHOLD


def has_zoo_dice(preset: str) -> bool:
    """Say whether the zoo's way differs for a preset: whether its slices are resized."""
    return find_preset(preset).slice_length is not None


def zoo_dice(
    forward: Forward, image: NDArray[Any], membrane: NDArray[np.bool_], card: ModelCard
) -> float:
    """Compute the soft Dice of a slice as the zoo's ``eval.py`` does.

    Parameters
    ----------
    forward : callable
        The network: (1, 1, H, W) float32 in [-1, 1] to (1, 1, h, w) float32 probability.
    image : array (Y, X)
        Any real dtype.
    membrane : array (Y, X) of bool
        Ground truth, True = membrane.
    card : ModelCard
        Of a preset whose slices are resized; its scaling and geometry are used.

    Returns
    -------
    float
        0..1.

    Raises
    ------
    ValueError
        If the preset's slices are not resized.
    """
    length = find_preset(card.preset).slice_length
    if length is None:
        raise ValueError(f"Slices of {card.preset} are not resized.")
    scaled, _ = card.scaling.apply_to_slice(image)
    padded = np.pad(resize_bilinear(scaled, (length, length)), card.geometry.margin)
    probability = forward(padded[np.newaxis, np.newaxis])[0, 0]
    inside = resize_bilinear((~membrane).astype(np.float32), (length, length))
    return soft_dice(probability, inside <= LABEL_THRESHOLD)
