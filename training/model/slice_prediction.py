"""Prediction of a slice, if wanted as the mean over its flips and quarter turns."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.model.model_card import ModelCard
from training.model.tiling import Forward, predict_tiles
from training.sampling.displacement import Displacement, shift_plane, turn_displacement
from training.sampling.resampling import resize_bilinear

Predict = Callable[[NDArray[Any]], NDArray[np.float32]]
COUNT = 8


def mean_over_symmetries(
    predict: Predict, image: NDArray[Any], displacement: Displacement = (0.0, 0.0)
) -> NDArray[np.float32]:
    """Predict a slice as the mean over its eight flips and quarter turns.

    Parameters
    ----------
    predict : callable
        From an image to its probability, both (Y, X) of one shape.
    image : array (Y, X)
        Any real dtype.
    displacement : (float, float)
        In pixels (y, x), by which the network draws membranes beside where the image has them,
        because its training labels were displaced. What it draws of a flipped image is displaced
        to the other side, and is shifted to where it draws it of the image itself.

    Returns
    -------
    array (Y, X) of float32
    """
    total = np.zeros(image.shape, dtype=np.float64)
    for is_flipped in (False, True):
        for quarters in range(4):
            seen = np.rot90(np.flip(image, 1) if is_flipped else image, quarters)
            found = np.rot90(predict(np.ascontiguousarray(seen)), -quarters)
            back = np.flip(found, 1) if is_flipped else found
            # A flip and a turn are undone by the same flip and turn, a turn by its opposite.
            undone = quarters if is_flipped else -quarters
            y, x = turn_displacement(displacement, is_flipped, undone)
            total += _shift(back, (displacement[0] - y, displacement[1] - x))
    return (total / COUNT).astype(np.float32)


def _shift(probability: NDArray[np.float32], shift: Displacement) -> NDArray[np.float32]:
    """Shift a probability (Y, X) by pixels (y, x), its edges repeated."""
    border = math.ceil(max(map(abs, shift)))
    return shift_plane(np.pad(probability, border, mode="edge"), shift, border)


def predict_slice(
    forward: Forward, image: NDArray[Any], card: ModelCard, tta: bool = False
) -> NDArray[np.float32]:
    """Predict the probability of membrane of one slice, at the slice's own resolution.

    Parameters
    ----------
    forward : callable
        The network: (1, 1, H, W) float32 in [-1, 1] to (1, 1, h, w) float32 probability.
    image : array (Y, X)
        Any real dtype.
    card : ModelCard
        Its scaling, zoom, geometry and displacement are used.
    tta : bool
        Take the mean over flips and quarter turns.

    Returns
    -------
    array (Y, X) of float32
        0 in padding, see :func:`training.stacks.padding.find_padding`.
    """
    scaled, padding = card.scaling.apply_to_slice(image)
    predict = partial(_predict_scaled, forward, card)
    probability = (
        mean_over_symmetries(predict, scaled, card.displacement) if tta else predict(scaled)
    )
    if padding.any():
        probability[padding] = 0
    return probability


def _predict_scaled(
    forward: Forward, card: ModelCard, scaled: NDArray[np.float32]
) -> NDArray[np.float32]:
    shape = scaled.shape[0], scaled.shape[1]
    zoom = card.zoom_for(shape)
    if zoom != (1.0, 1.0):
        height, width = (
            max(1, round(length * factor)) for length, factor in zip(shape, zoom, strict=True)
        )
        scaled = resize_bilinear(scaled, (height, width))
    probability = predict_tiles(forward, scaled, card.geometry)
    return probability if probability.shape == shape else resize_bilinear(probability, shape)
