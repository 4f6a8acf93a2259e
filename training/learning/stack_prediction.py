"""Prediction of a stack by MindSpore, where there is nothing but it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.learning.checkpoints import put_weights
from training.learning.inference import Inference
from training.model.saved_model import SavedModel
from training.networks.membrane_network import build_network
from training.stacks.scaling import Slices


def predict_stack(
    model: SavedModel, source: Path, stack: Slices, indices: Iterable[int], tta: bool
) -> Iterator[NDArray[np.float32]]:
    """Predict slices of a stack.

    Parameters
    ----------
    model : SavedModel
    source : Path
        Its file, for messages.
    stack : sequence of arrays (Y, X)
        Intensities of any real dtype.
    indices : iterable of int
        Which slices.
    tta : bool
        Take the mean over flips and quarter turns.

    Yields
    ------
    array (Y, X) of float32
        Probability of membrane, 0..1.

    Raises
    ------
    UserError
        If the stack has NaN or infinite pixels, or the network computes such.
    """
    network = build_network(model.card.preset)
    put_weights(network, model.weights, source)
    inference = Inference(network, model.card.for_stack(stack))
    for index in indices:
        probability = inference.predict(stack[index], tta)
        if not np.isfinite(probability).all():
            raise UserError(
                f"{source} gives no numbers for slice {index}: its weights are damaged, or too "
                "large for the precision.",
                "Take another checkpoint.",
            )
        yield probability
