"""A training sample, and what changes one."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


class Sample(NamedTuple):
    """An image with its labels: a whole slice, or what a network is trained on.

    Parameters
    ----------
    image : array (Y, X) of float32
        Scaled to [-1, 1], or a little beyond where contrast and brightness are varied.
    membrane : array (y, x) of float32
        Wanted probability of membrane, or the places of the pixels' classes. It may be larger
        than the image while it is made ready (see
        :class:`~training.sampling.transforms.RandomCrop`), and smaller when it is.
    weights : array (y, x) of float32 or None
        Weights of the pixels' losses, 0 where no label is known; None: 1 everywhere.
    """

    image: Image
    membrane: Image
    weights: Image | None


class Transform(Protocol):
    """Makes another sample of a sample, and never changes its arrays."""

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        """Make the new sample; chance comes from ``generator`` alone."""
