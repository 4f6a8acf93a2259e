"""Prediction as the mean over flips and quarter turns of a slice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.model.tiling import Forward, predict_tiles
from training.sampling.displacement import Displacement, moved, turned
from training.sampling.resampling import resize_bilinear

if TYPE_CHECKING:
    from training.model.model_card import ModelCard

Predict = Callable[[NDArray[Any]], NDArray[np.float32]]
COUNT = 8


def mean_over_symmetries(
    predict: Predict, image: NDArray[Any], displacement: Displacement = (0.0, 0.0)
) -> NDArray[np.float32]:
    """Mean of what is predicted of the eight flips and quarter turns of a slice.

    Parameters
    ----------
    predict : callable
        From an image to its probability, both (Y, X) of one shape.
    image : array (Y, X)
        Any real dtype.
    displacement : (float, float)
        (Y, X), in pixels, by which the network draws membranes beside where the image has them,
        for its training labels were displaced. What it draws of a flipped image is displaced to
        the other side, and is moved to where it draws it of the image itself.

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
            lies = turned(displacement, is_flipped, quarters if is_flipped else -quarters)
            total += _moved(back, (displacement[0] - lies[0], displacement[1] - lies[1]))
    return (total / COUNT).astype(np.float32)


def _moved(probability: NDArray[np.float32], shift: Displacement) -> NDArray[np.float32]:
    border = math.ceil(max(map(abs, shift)))
    plane: NDArray[np.float32] = np.pad(probability, border, mode="edge")[np.newaxis]
    there: NDArray[np.float32] = moved(plane, shift, border)[0]
    return there


def predict_slice(forward: Forward, image: NDArray[Any], card: ModelCard) -> NDArray[np.float32]:
    """Probability of membrane of one slice, at the slice's own resolution.

    Parameters
    ----------
    forward : callable
        The network: (1, 1, H, W) float32 in [-1, 1] to (1, 1, h, w) float32 probability.
    image : array (Y, X)
        Any real dtype.
    card : ModelCard
        Whose scaling, zoom and geometry are used.

    Returns
    -------
    array (Y, X) of float32
    """
    scaled = card.scaling.apply(image)
    if card.zoom != (1.0, 1.0):
        height, width = (
            max(1, round(length * factor))
            for length, factor in zip(image.shape, card.zoom, strict=True)
        )
        scaled = resize_bilinear(scaled, (height, width))
    probability = predict_tiles(forward, scaled, card.geometry)
    if probability.shape != image.shape:
        probability = resize_bilinear(probability, (image.shape[0], image.shape[1]))
    return probability
