"""Neurons of a prediction in the window, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.segmentation import Segmentation, number_neurons, segment_slice
from napari_unet.prediction.live_prediction import LivePrediction, lower_priority


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
