"""A stack, or a part of one, predicted slice by slice: for the command line and for Python."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.predictor import Predictor
from training.formats.stack import Stack
from training.model.slice_view import SliceView
from training.model.stack_part import Bounds, StackPart
from training.model.stack_scale import StackScale, card_for
from training.stacks.intensities import Membranes


class PartPrediction(StackPart):
    """The prediction of a part of a stack, to be gone through once.

    Parameters
    ----------
    predictor : Predictor
    stack : Stack
        Stays open until the last slice was predicted.
    region : tuple of (int, int or None)
        The part that is predicted, as it is in the whole.
    scale : StackScale
        At which scale.
    membranes : Membranes
        Those of the stack.

    Attributes
    ----------
    note : str
        How dark and light were taken; empty for nothing to say.
    warning : str
        What speaks against predicting this stack with this model; empty for nothing.

    Raises
    ------
    UserError
        If the region is not in the stack, or the stack can't be read or resampled.
    """

    def __init__(
        self,
        predictor: Predictor,
        stack: Stack,
        region: Bounds,
        scale: StackScale,
        membranes: Membranes,
    ) -> None:
        super().__init__(stack, region, scale)
        window = None if self.shape[1:] == stack.shape[1:] else self.window
        self._view = SliceView(scale.zoom(predictor.card, stack), window)
        self._predictor, self._stack = predictor, stack
        self._card, self.note, self.warning = card_for(predictor.card, stack, membranes)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Predict the probability (Y, X) of each slice, see :meth:`Predictor.predict`."""
        found = self._predictor.predict(self._stack, self._card, self.indices, self._view)
        return map(itemgetter(1), found)  # which keeps none of them, unlike a loop
