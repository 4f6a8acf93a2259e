"""Neurons of a prediction, found slice by slice while a person watches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from napari_unet.layers.slices import nearest_first
from napari_unet.neurons.border_features import FloodedSlice
from napari_unet.neurons.linking import StackLinker, follow_neurons
from napari_unet.neurons.segmentation import (
    Segmentation,
    count_text,
    merge_learned,
    segment_slice,
)
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.thread_priority import lower_priority
from napari_unet.text import progress_text

_MOST_FLOODED = 6  # three where the search goes up from the slice shown, three where it goes down


class SearchProgress:
    """How far a search for neurons is, in numbers and words.

    Parameters
    ----------
    how : Segmentation
        How they are searched for.
    total : int
        Slices to search.
    is_linked : bool
        Whether a neuron keeps its number from slice to slice.
    """

    def __init__(self, how: Segmentation, total: int, is_linked: bool) -> None:
        self._how, self._is_linked = how, is_linked
        self._highest = 0
        self.done, self.total = 0, total

    def add(self, highest: int, elapsed: float) -> str:
        """Count a slice, and say how far the search is.

        Parameters
        ----------
        highest : int
            The highest number now.
        elapsed : float
            Seconds since the search began.
        """
        self.done, self._highest = self.done + 1, highest
        return progress_text(self.done, self.total, elapsed)

    def outcome(self) -> str:
        """Say what became of a search that has ended."""
        if self.done < self.total:
            return f"Cancelled after {self.done} of {self.total} slices."
        how = f"threshold {self._how.threshold:g}, seeds {self._how.seeds:g}"
        if self._how.merges is not None:
            how = f"merges learned; {how} where no neighbouring slice is predicted"
        return f"{count_text(self._highest, self.total, self._is_linked)} ({how})."


def find_neurons(
    prediction: LivePrediction,
    how: Segmentation,
    is_linked: bool,
    into: NDArray[np.int32],
    shown: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Fill a stack with the neurons of the slices that were predicted.

    Parameters
    ----------
    prediction : LivePrediction
    how : Segmentation
    is_linked : bool
        Follow neurons from slice to slice, and link them by :class:`linking.StackLinker` when
        all are searched.
    into : array (Z, Y, X) or (Y, X) of int32
        In the prediction's shape.
    shown : int, optional
        The slice that a person looks at: it is searched first, then those nearest to it.

    Yields
    ------
    index : int
        A slice that is filled.
    highest : int
        The highest number now.
    """
    pages = into.reshape((-1, *into.shape[-2:]))
    probabilities = prediction.probability.reshape(pages.shape)
    numbering = _Numbering(pages, probabilities, prediction.predicted_slices, is_linked)
    slices = _NeighbouringSlices(probabilities, numbering.slices, how)
    with ThreadPoolExecutor(1, initializer=lower_priority) as executor:
        for index in nearest_first(numbering.slices, shown):
            neurons = executor.submit(slices.segment, index).result()
            executor.submit(numbering.fill, index, neurons).result()
            if numbering.is_full:
                executor.submit(numbering.sort).result()
            yield index, numbering.total


class _NeighbouringSlices:
    """Finds the neurons of slices in any order, where merges are learned with those beside them.

    Parameters
    ----------
    probabilities : array (Z, Y, X) of float32
    slices : list of int
        Those that are predicted.
    how : Segmentation
    """

    def __init__(
        self, probabilities: NDArray[np.float32], slices: list[int], how: Segmentation
    ) -> None:
        self._probabilities, self._slices, self._how = probabilities, frozenset(slices), how
        self._flooded: dict[int, FloodedSlice] = {}  # those that were used last

    def segment(self, index: int) -> NDArray[np.int32]:
        """Find the neurons (Y, X) of a slice, numbered from 1."""
        beside = [z for z in (index - 1, index + 1) if z in self._slices]
        if self._how.merges is None or not beside:
            return segment_slice(np.array(self._probabilities[index]), self._how)
        flooded = [self._flood(z) for z in (index, *beside)]
        return merge_learned(flooded[0], flooded[1:], self._how.merges)

    def _flood(self, index: int) -> FloodedSlice:
        flooded = self._flooded.pop(index, None)
        if flooded is None:
            flooded = FloodedSlice.of(np.array(self._probabilities[index]))
        self._flooded[index] = flooded
        if len(self._flooded) > _MOST_FLOODED:
            del self._flooded[next(iter(self._flooded))]
        return flooded


class _Numbering:
    """Numbers slices in any order that begins at one of them and goes on to their neighbours.

    Parameters
    ----------
    pages : array (Z, Y, X) of int32
        Gets the numbers.
    probabilities : array (Z, Y, X) of float32
    slices : list of int
        The slices that will be filled, rising.
    is_linked : bool
        Whether a neuron keeps its number from slice to slice.
    """

    def __init__(
        self,
        pages: NDArray[np.int32],
        probabilities: NDArray[np.float32],
        slices: list[int],
        is_linked: bool,
    ) -> None:
        self.slices, self.total = slices, 0
        self._pages, self._probabilities, self._is_linked = pages, probabilities, is_linked
        self._numbers: dict[int, NDArray[np.int32]] = {}  # of each slice, by its neurons' old ones

    @property
    def is_full(self) -> bool:
        """Whether all slices are filled."""
        return len(self._numbers) == len(self.slices)

    def fill(self, index: int, neurons: NDArray[np.int32]) -> None:
        """Take the neurons (Y, X) of a slice, numbered from 1."""
        neighbour = self._neighbour(index) if self._is_linked else None
        other = None if neighbour is None else self._pages[neighbour]
        numbers = self._numbers[index] = follow_neurons(neurons, other, self.total)
        self.total = max(self.total, int(numbers.max()))
        self._pages[index] = numbers[neurons]

    def sort(self) -> None:
        """Number, or link, the neurons as if the first slice had been filled first."""
        highest, self.total = self.total, 0
        linker = StackLinker()
        for index in self.slices:
            numbers = self._numbers[index][1:]
            sorted_numbers = np.zeros(highest + 1, np.int32)
            sorted_numbers[numbers] = self.total + 1 + np.arange(len(numbers))
            self._pages[index] = sorted_numbers[self._pages[index]]
            self.total += len(numbers)
            if self._is_linked:
                linker.add(self._pages[index], np.array(self._probabilities[index]))
        if self._is_linked:
            self.total = linker.renumber(self._pages, self.slices)

    def _neighbour(self, index: int) -> int | None:
        """The slice before or after this one that is filled already."""
        place = self.slices.index(index)
        beside = self.slices[max(0, place - 1) : place + 2]
        return next((index for index in beside if index in self._numbers), None)
