"""Prediction of a stack by MindSpore, where there is nothing but it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.devices.placement import Device
from training.errors import UserError
from training.learning.checkpoints import put_weights
from training.learning.inference import Inference
from training.learning.precision import set_precision
from training.model.saved_model import SavedModel
from training.model.slice_steps import Step
from training.model.slice_view import SliceView
from training.networks.membrane_network import build_network
from training.stacks.intensities import Membranes
from training.stacks.padding import find_padding
from training.stacks.scaling import Slices


def build_inference(
    model: SavedModel,
    source: Path,
    stack: Slices,
    config: TrainingConfig,
    device: Device,
    membranes: Membranes = Membranes.AUTO,
) -> Inference:
    """Make what predicts a stack.

    Parameters
    ----------
    model : SavedModel
    source : Path
        Its file, for messages.
    stack : sequence of arrays (Y, X)
        Intensities of any real dtype; the scaling is chosen for them.
    config : TrainingConfig
        Its precision is used.
    device : Device
    membranes : Membranes
        Those of the stack.

    Raises
    ------
    UserError
        If the device can't compute in that precision, or the stack can't be scaled.
    """
    network = build_network(model.card.preset, model.card.label_classes.outputs)
    put_weights(network, model.weights, source)
    set_precision(network, config, device)
    return Inference(network, model.card.for_stack(stack, membranes))


def predict_steps(
    inference: Inference,
    source: Path,
    stack: Slices,
    steps: Iterable[Step],
    tta: bool = False,
) -> Iterator[NDArray[np.float32]]:
    """Predict slices of a stack, or parts of them. Each slice is read once.

    Parameters
    ----------
    inference : Inference
    source : Path
        The file of its weights, for messages.
    stack : sequence of arrays (Y, X)
        That which it was made for.
    steps : iterable of Step
        Which slices, and what of them; those of a slice follow each other.
    tta : bool
        Take the mean over flips and quarter turns.

    Yields
    ------
    array (Y, X) of float32; of classes (C, Y, X)
        Probability of membrane, or of each class, 0..1, of each step.

    Raises
    ------
    UserError
        If the stack has NaN or infinite pixels, or the network computes such.
    """
    for index, of_slice in groupby(steps, key=attrgetter("index")):
        views = (step.view for step in of_slice)
        for probability in _predict_views(inference, stack[index], views, tta):
            if not np.isfinite(probability).all():
                raise UserError(
                    f"{source} gives no numbers for slice {index}: its weights are damaged, or too "
                    "large for the precision.",
                    "Take another checkpoint, or --precision float32.",
                )
            yield probability


def _predict_views(
    inference: Inference, image: NDArray[Any], views: Iterable[SliceView], tta: bool
) -> Iterator[NDArray[np.float32]]:
    padding = find_padding(image)
    for view in views:
        yield inference.predict(image, tta, view, padding)
