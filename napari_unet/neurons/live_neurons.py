"""Neurons of a prediction, found slice by slice while a person watches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.segmentation import Segmentation, number_neurons, segment_slice
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.thread_priority import lower_priority
from napari_unet.text import progress_text


class SearchProgress:
    """How far a search for neurons is, in numbers and words.

    Parameters
    ----------
    how : Segmentation
        How they are searched for.
    total : int
        Slices to search.
    """

    def __init__(self, how: Segmentation, total: int) -> None:
        self._how = how
        self._most = 0
        self.done, self.total = 0, total

    def add(self, highest: int, elapsed: float) -> str:
        """Count a slice, and say how far the search is.

        Parameters
        ----------
        highest : int
            The highest number in the slice.
        elapsed : float
            Seconds since the search began.
        """
        self.done, self._most = self.done + 1, max(self._most, highest)
        return progress_text(self.done, self.total, elapsed)

    def outcome(self) -> str:
        """Say what became of a search that has ended."""
        if self.done < self.total:
            return f"Cancelled after {self.done} of {self.total} slices."
        how = f"threshold {self._how.threshold:g}, seeds {self._how.seeds:g}"
        return f"{self._most} neurons ({how})."


def find_neurons(
    prediction: LivePrediction, how: Segmentation, is_linked: bool, into: NDArray[np.int32]
) -> Iterator[tuple[int, int]]:
    """Fill a stack with the neurons of the slices that were predicted.

    Parameters
    ----------
    prediction : LivePrediction
    how : Segmentation
    is_linked : bool
        As for :func:`segmentation.number_neurons`.
    into : array (Z, Y, X) or (Y, X) of int32
        In the prediction's shape.

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
