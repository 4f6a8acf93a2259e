"""A small picture of images with their labels, before a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.runs.training_sources import TrainingData
from training.errors import UserError
from training.label_convention import LabelConvention
from training.stacks.sparse_labels import MEMBRANE, labelled_slices
from training.stacks.training_pair import guess_convention

_PREVIEW_PIXELS = 256
_PREVIEW_SLICES = 32


@dataclass(frozen=True)
class Preview:
    """What the window shows of a pair.

    Parameters
    ----------
    image : array (Y, X) of float, 0..1
        The middle slice, thinned out.
    labels : array (Y, X)
        The same of the labels, before any convention.
    guessed_convention : str
        Convention of the labels, see :func:`training.stacks.training_pair.guess_convention`.
    shares : mapping of LabelConvention to float
        Share of the labelled pixels that are membrane under each convention, 0..1.
    shape : tuple of int
        (Z, Y, X) of the images.
    problems : tuple of UserError
        What keeps the pair from being trained on.
    """

    image: NDArray[np.float32]
    labels: NDArray[Any]
    guessed_convention: LabelConvention
    shares: Mapping[LabelConvention, float]
    shape: tuple[int, ...]
    problems: tuple[UserError, ...]

    def membrane_share(self, convention: LabelConvention) -> float:
        """Share of the labelled pixels that are membrane under a convention, 0..1."""
        return self.shares[convention]


def preview(data: TrainingData, convention: LabelConvention | None = None) -> Preview:
    """Look at some slices of a pair, enough to show it and to find most problems.

    Parameters
    ----------
    convention : LabelConvention or None
        Convention of the labels where it is known; else it is guessed.
    """
    pair = data.read(_PREVIEW_SLICES)
    if convention is None:
        convention = guess_convention(pair.labels) if pair.labels.size else LabelConvention.ISBI
    problems = tuple(pair.problems(convention))
    image, labels = (
        _example(stack, pair.labels, convention) for stack in (pair.images, pair.labels)
    )
    low, high = np.nanpercentile(image, (0.5, 99.5)) if image.size else (0, 1)
    scaled = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    known = max(np.count_nonzero(pair.labels), 1)
    nonzero = float(np.count_nonzero(pair.labels)) / max(pair.labels.size, 1)
    shares = {
        LabelConvention.ISBI: 1 - nonzero,
        LabelConvention.MEMBRANE: nonzero,
        LabelConvention.SPARSE: float(np.count_nonzero(pair.labels == MEMBRANE)) / known,
    }
    return Preview(scaled.astype(np.float32), labels, convention, shares, pair.shape, problems)


def _example(
    stack: NDArray[Any], labels: NDArray[Any], convention: LabelConvention
) -> NDArray[Any]:
    """Thin out the middle slice, or the middle labelled slice where labels are sparse."""
    places = list(range(len(stack)))
    if convention == LabelConvention.SPARSE and labels.ndim == stack.ndim == 3:
        places = [index for index in labelled_slices(labels) if index < len(stack)] or places
    page = stack[places[len(places) // 2]] if stack.ndim == 3 else stack
    stride = max(1, max(page.shape) // _PREVIEW_PIXELS)
    return page[::stride, ::stride]
