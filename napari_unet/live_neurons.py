"""Neurons of a prediction in the window, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.live_prediction import LivePrediction, lower_priority
from napari_unet.segmentation import Segmentation, number_neurons, segment_slice
from training.errors import UserError
from training.run_directory import RunDirectory


def settings_of_model(model: Path) -> Segmentation:
    """The best settings on slices that a run was trained on.

    Settings by default where they can't be told: for a model without its run, or a run whose
    training data are gone or labelled in part.

    Parameters
    ----------
    model : Path
        Folder of a run, or an ONNX file.
    """
    run = RunDirectory(model)
    if not run.onnx.exists() or not run.config.exists():
        return Segmentation()
    with ThreadPoolExecutor(1, initializer=lower_priority) as executor:
        return executor.submit(_settings_of_run, model, run.onnx.stat().st_mtime_ns).result()


@lru_cache(maxsize=8)
def _settings_of_run(path: Path, changed: int) -> Segmentation:
    """``changed`` is there so that a model that trained on is judged anew."""
    from napari_unet.prediction import load_predictor
    from napari_unet.segmentation_choice import choose_on_training_slices
    from training.stacks import find_pair, read_training_pair

    try:
        config = RunDirectory(path).read_config()
        if config.label_convention == "sparse":
            return Segmentation()
        paths = find_pair(Path(config.data_url), config.image, config.labels)
        pair = read_training_pair(*paths, config.label_convention)
    except UserError:  # on a server, moved, or of another version
        return Segmentation()
    how, _ = choose_on_training_slices(load_predictor(path), *pair)
    return how


def find_neurons(
    prediction: LivePrediction, how: Segmentation, is_linked: bool, into: NDArray[np.int32]
) -> Iterator[tuple[int, int]]:
    """Fill a stack with the neurons of the slices that were predicted.

    Parameters
    ----------
    prediction : LivePrediction
    how : Segmentation
    is_linked : bool
        As of :func:`segmentation.number_neurons`.
    into : array of int32
        Of the prediction's shape.

    Yields
    ------
    index : int
        A slice that is filled.
    highest : int
        The highest number in it.
    """
    pages = into.reshape((-1, *into.shape[-2:]))
    probabilities = prediction.probability.reshape(pages.shape)
    indices = prediction.predicted_slices
    with ThreadPoolExecutor(1, initializer=lower_priority) as executor:
        slices = (
            executor.submit(segment_slice, np.array(probabilities[index]), how).result()
            for index in indices
        )
        for index, neurons in zip(indices, number_neurons(slices, is_linked), strict=True):
            pages[index] = neurons
            yield index, int(neurons.max(initial=0))
