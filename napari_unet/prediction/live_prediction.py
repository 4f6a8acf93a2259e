"""A prediction that fills up slice by slice, and takes another threshold without predicting."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_unet.stacks.large_array import allocate
from training.masks.result_warnings import share_warning


class LivePrediction:
    """Holds probability and mask of a stack, both filled slice by slice.

    Parameters
    ----------
    probability : array (Z, Y, X), or (Y, X) of a single image, of float32
        0 where nothing is predicted yet. Axes of length 1 may lie before these.
    mask : array of uint8, of the same shape
        1 = membrane. A person may paint on it; see :meth:`protect_slices`.
    threshold : float
        Probability from which on a pixel is membrane.

    Attributes
    ----------
    stack_warning : str
        What speaks against predicting this stack with this model; empty for nothing.
    note : str
        How dark and light of this stack were taken; empty for nothing to say.
    """

    def __init__(
        self, probability: NDArray[np.float32], mask: NDArray[np.uint8], threshold: float
    ) -> None:
        self.threshold = threshold
        self.probability, self.mask = probability, mask
        self._probabilities = probability.reshape((-1, *probability.shape[-2:]))
        self._masks = mask.reshape((-1, *mask.shape[-2:]))
        self.stack_warning = self.note = ""
        self._membrane: dict[int, int] = {}  # pixels of each slice that was thresholded
        self._predicted: set[int] = set()
        self._trained: dict[int, bool] = {}  # of the slices of which it is known
        self._outdated: set[int] = set()
        self._protected: set[int] = set()
        self._released: set[int] = set()

    @classmethod
    def empty(cls, shape: tuple[int, ...], threshold: float) -> LivePrediction:
        """Begin one of which no slice is predicted, (Z, Y, X) or (Y, X)."""
        return cls(allocate(shape, np.float32), allocate(shape, np.uint8), threshold)

    @classmethod
    def of(
        cls,
        probability: NDArray[np.float32],
        mask: NDArray[np.uint8],
        threshold: float,
        trained: list[int] | None = None,
    ) -> LivePrediction:
        """Go on with what was predicted and painted before; it reads every pixel.

        Slices whose mask is not what the threshold makes of their probability are a person's.

        Parameters
        ----------
        probability : array (Z, Y, X) or (Y, X) of float32
            0 where nothing is predicted.
        mask : array of uint8, of the same shape
            1 = membrane.
        threshold : float
            What made the mask.
        trained : list of int, optional
            Slices that the model was trained on, if it is known.
        """
        found = cls(probability, mask, threshold)
        for index, (probabilities, membrane) in enumerate(
            zip(found._probabilities, found._masks, strict=True)
        ):
            is_predicted = bool(probabilities.any())
            if is_predicted:
                found._predicted.add(index)
            if found._corrections(index).any() if is_predicted else membrane.any():
                found._protected.add(index)
        if trained is not None:
            found._trained = {index: index in trained for index in found._predicted}
        return found

    def __len__(self) -> int:
        return len(self._masks)

    def has(self, index: int) -> bool:
        """Whether a slice was predicted, by the model that is used now."""
        return index in self._predicted and index not in self._outdated

    def change_model(self) -> None:
        """Count what was predicted so far as outdated; it stays until it is predicted again."""
        self._outdated = set(self._predicted)
        self.stack_warning = self.note = ""
        self._membrane.clear()

    @property
    def outdated_slices(self) -> list[int]:
        """Slices that still show what a former model predicted."""
        return sorted(self._outdated)

    @property
    def predicted_slices(self) -> list[int]:
        """Slices that were predicted so far."""
        return sorted(self._predicted)

    @property
    def protected_slices(self) -> list[int]:
        """Slices that the threshold leaves as they are, because a person corrected them."""
        return sorted(self._protected)

    @property
    def trained_slices(self) -> list[int] | None:
        """Slices that their model was trained on; None: it is not known of all of them."""
        if not self._predicted or self._predicted - self._trained.keys():
            return None
        return sorted(index for index, is_trained in self._trained.items() if is_trained)

    def store(
        self, index: int, probability: NDArray[np.float32], is_trained: bool | None = None
    ) -> None:
        """Take the probability of a slice (Y, X), float32 from 0 to 1, and threshold it.

        ``is_trained`` is whether the model was trained on the slice; None: it is not known.
        """
        if is_trained is None:
            self._trained.pop(index, None)
        else:
            self._trained[index] = is_trained
        self._probabilities[index] = probability
        self._predicted.add(index)
        self._outdated.discard(index)
        self.threshold_slice(index)

    def protect_slices(self, indices: Iterable[int]) -> None:
        """Leave the mask of these slices as it is, because a person corrected it."""
        self._protected.update(indices)

    def release_slices(self, indices: Iterable[int]) -> None:
        """Let the threshold decide these slices again."""
        self._released.update(indices)
        self._protected -= self._released

    def protect_restored(self) -> None:
        """Protect released slices again in which an undo brought the corrections back.

        Call it before the threshold changes: then what differs from it is a person's.
        """
        self.protect_slices(index for index in self._released if self._corrections(index).any())
        self._released.clear()

    def find_corrections(
        self, indices: Iterable[int]
    ) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.uint8]]:
        """Find the pixels of predicted slices that the threshold decides otherwise.

        Returns
        -------
        places : tuple of arrays (N,) of int
            Indices of the pixels in ``mask``, an array an axis.
        values : array (N,) of uint8
            What the threshold makes of them.
        """
        predicted = sorted(self._predicted.intersection(indices))
        found = [np.argwhere(self._corrections(index)) for index in predicted]
        slices = np.repeat(predicted, [len(pixels) for pixels in found]).astype(np.intp)
        rows, columns = np.concatenate([np.empty((0, 2), np.intp), *found]).T
        values = (self._masks[slices, rows, columns] == 0).astype(np.uint8)
        places = (*(np.zeros_like(slices),) * (self.mask.ndim - 3), slices, rows, columns)
        return places[-self.mask.ndim :], values

    def _corrections(self, index: int) -> NDArray[np.bool_]:
        """Where the mask of a slice isn't what the threshold makes of it."""
        return np.asarray(
            (self._masks[index] != 0) != (self._probabilities[index] >= self.threshold)
        )

    def threshold_slice(self, index: int) -> None:
        """Make the mask of a slice, unless it is protected or was not predicted yet."""
        if index in self._predicted and index not in self._protected:
            membrane = self._masks[index].view(np.bool_)
            np.greater_equal(self._probabilities[index], self.threshold, out=membrane)
            self._membrane[index] = np.count_nonzero(membrane)

    def warning(self) -> str:
        """Say what speaks against the stack and against the mask so far; empty for nothing."""
        counts = list(self._membrane.values())
        pixels = len(counts) * math.prod(self.mask.shape[-2:])
        return " ".join(filter(None, (self.stack_warning, share_warning(sum(counts), pixels))))

    def remarks(self) -> str:
        """Say how dark and light were taken, and what :meth:`warning` says."""
        return " ".join(filter(None, (self.note, self.warning())))

    def threshold_all(self) -> float:
        """Make the mask of all slices; give up when the threshold is changed meanwhile.

        Returns
        -------
        threshold : float
            The one that was used.
        """
        threshold = self.threshold
        for index in sorted(self._predicted):
            if self.threshold != threshold:
                break
            self.threshold_slice(index)
        return threshold
