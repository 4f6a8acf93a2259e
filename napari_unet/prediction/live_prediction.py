"""A prediction that fills up slice by slice, and takes another threshold without predicting."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.large_array import allocate


class LivePrediction:
    """Holds probability and mask of a stack, both filled slice by slice.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X), or (Y, X) of a single image.
    threshold : float
        Probability from which on a pixel is membrane.

    Attributes
    ----------
    probability : array of float32, of ``shape``
        0 where nothing was predicted yet.
    mask : array of uint8, of ``shape``
        1 = membrane. A person may paint on it; see :meth:`protect_slices`.
    """

    def __init__(self, shape: tuple[int, ...], threshold: float) -> None:
        self.threshold = threshold
        self.probability = allocate(shape, np.float32)
        self.mask = allocate(shape, np.uint8)
        self._probabilities = self.probability.reshape((-1, *shape[-2:]))
        self._masks = self.mask.reshape((-1, *shape[-2:]))
        self._predicted: set[int] = set()
        self._protected: set[int] = set()

    def __len__(self) -> int:
        return len(self._masks)

    def has(self, index: int) -> bool:
        """Whether a slice was predicted."""
        return index in self._predicted

    @property
    def predicted_slices(self) -> list[int]:
        """Slices that were predicted so far."""
        return sorted(self._predicted)

    @property
    def protected_slices(self) -> list[int]:
        """Slices that the threshold leaves as they are, because a person corrected them."""
        return sorted(self._protected)

    def store(self, index: int, probability: NDArray[np.float32]) -> None:
        """Take the probability of a slice (Y, X), float32 from 0 to 1, and threshold it."""
        self._probabilities[index] = probability
        self._predicted.add(index)
        self.threshold_slice(index)

    def protect_slices(self, indices: Iterable[int]) -> None:
        """Leave the mask of these slices as it is, because a person corrected it."""
        self._protected.update(indices)

    def release_slices(self) -> None:
        """Let the threshold decide all slices again."""
        self._protected.clear()

    def threshold_slice(self, index: int) -> None:
        """Make the mask of a slice, unless it is protected or was not predicted yet."""
        if index in self._predicted and index not in self._protected:
            membrane = self._masks[index].view(np.bool_)
            np.greater_equal(self._probabilities[index], self.threshold, out=membrane)

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
