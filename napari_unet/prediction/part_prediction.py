"""A stack, or a part of one, predicted slice by slice: for the command line and for Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.predictor import Predictor
from training.errors import UserError
from training.formats.pixel_size import Offset, PixelSize
from training.formats.stack import Stack
from training.model.slice_view import SliceView
from training.model.stack_scale import StackScale, card_for
from training.stacks.intensities import Membranes

Bounds = tuple[tuple[int, int | None], ...]
"""The first pixel along Z, Y and X, and that after the last; None: to the end."""

REGION_FORM = "as in 10:20,0:512,0:512, from the first pixel of each axis to before the last"


class StackPart:
    """A part of a stack.

    Parameters
    ----------
    stack : Stack
        The whole.
    region : tuple of (int, int or None)
        Where the part lies.
    scale : StackScale
        Says the stack's pixel size.

    Attributes
    ----------
    shape : tuple of int
        (Z, Y, X) of the part.
    indices : range
        Its slices.
    window : tuple of range
        Its rows and columns.
    pixel_size : PixelSize or None
        The stack's, in nm.
    offset : Offset
        Where the part begins, in nm.

    Raises
    ------
    UserError
        If the region is not in the stack.
    """

    def __init__(self, stack: Stack, region: Bounds, scale: StackScale) -> None:
        self.indices, rows, columns = (
            _range_of(axis, bounds, length, stack.path)
            for axis, bounds, length in zip("ZYX", region, stack.shape, strict=True)
        )
        self.window = rows, columns
        self.shape = len(self.indices), len(rows), len(columns)
        self.pixel_size = scale.size_of(stack)
        corner = self.indices.start, rows.start, columns.start
        self.offset = _moved(stack.offset, corner, self.pixel_size)

    @property
    def place(self) -> dict[str, Any]:
        """What a file keeps of where the part lies, see :class:`StackWriter`."""
        return {"pixel_size": self.pixel_size, "offset": self.offset}


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
        return (probability for _, probability in found)


def _moved(offset: Offset, corner: tuple[int, int, int], size: PixelSize | None) -> Offset:
    """Give the offset of a part that begins at a pixel (z, y, x) of a stack."""
    sides = (0.0, 0.0, 0.0) if size is None else (size.z or 0.0, size.y, size.x)
    z, y, x = (
        start + pixel * side for start, pixel, side in zip(offset, corner, sides, strict=True)
    )
    return z, y, x


def _range_of(axis: str, bounds: tuple[int, int | None], length: int, path: Path) -> range:
    start, stop = bounds
    found = range(start, length if stop is None else stop)
    if not found:
        raise UserError(
            f"The region is empty along {axis}: {found.start}:{found.stop}.",
            f"Give it {REGION_FORM}.",
        )
    if found.stop > length:
        raise UserError(
            f"The region reaches to {found.stop} along {axis}, but {path} to {length}.",
            f"Give a region within 0:{length}.",
        )
    return found
