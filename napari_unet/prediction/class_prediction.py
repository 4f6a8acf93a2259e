"""Predicting the classes of a stack's pixels beside a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.prediction.live_classes import LiveClasses
from napari_unet.prediction.predictor import load_predictor
from napari_unet.prediction.thread_priority import lower_priority
from napari_unet.settings import load_settings
from training.errors import UserError
from training.model.slice_view import SliceView
from training.stacks.intensities import Membranes
from training.stacks.stack_axes import as_stack
from training.stacks.windows import Window


def predict_classes(
    model: Path,
    stack: Any,
    live: LiveClasses,
    indices: Sequence[int],
    tta: bool = False,
    window: Window | None = None,
    membranes: Membranes = Membranes.AUTO,
) -> Iterator[int]:
    """Predict slices by a model of several classes, in the order of ``indices``.

    The network is computed by what the settings say, at a lower priority.

    Parameters
    ----------
    model : Path
        What :func:`~napari_unet.prediction.predictor.load_predictor` takes.
    stack : array (Z, Y, X) or (Y, X)
        Intensities of any real dtype. May be a dask array.
    live : LiveClasses
        Gets the probabilities of each slice.
    indices : sequence of int
    tta : bool
        Take the mean over flips and quarter turns.
    window : tuple of range or None
        Rows and columns that ``live`` has; None: all.
    membranes : Membranes
        Those of the stack.

    Yields
    ------
    index : int
        With each slice, when it is there.

    Raises
    ------
    UserError
        If the model can't be used or has other classes, or pixels are NaN or infinite.
    """
    slices, view = as_stack(stack), SliceView(window=window)
    with ThreadPoolExecutor(1, "classes", initializer=lower_priority) as executor:
        settings = load_settings()
        options = {"engine": settings.engine, "device": settings.device, "tta": tta}
        load = executor.submit(load_predictor, model, is_parallel=False, of_class=None, **options)
        predictor = load.result()
        if predictor.classes != live.classes:
            raise UserError(f"{model} has other classes than before.", "Choose the model again.")
        card = executor.submit(predictor.card.for_stack, slices, membranes).result()
        for index in indices:
            image = np.asarray(slices[index])
            found = executor.submit(predictor.predict_slice, image, card, view).result()
            live.store(index, found)
            yield index
