"""A stack in memory, which is read as one in a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.formats.grey_axes import has_colours
from training.formats.stack import Stack
from training.label_convention import LabelConvention
from training.stacks.sparse_labels import LabelNote
from training.stacks.stack_axes import as_stack

_REMEDY = "Give an array (Z, Y, X), or one slice (Y, X); of channels or times choose one."


class ArrayStack(Stack):
    """The slices of an array.

    Parameters
    ----------
    pixels : array (Z, Y, X) or (Y, X)
        Any real dtype; NumPy's, or a lazy one as dask's and zarr's, of which a slice is read at a
        time. Of bool, as a mask, True is membrane.
    name : str
        What messages call it: that of the argument.

    Raises
    ------
    UserError
        If it has other axes, colours, or no pixel.
    """

    def __init__(self, pixels: Any, name: str) -> None:
        if not hasattr(pixels, "dtype"):
            try:
                pixels = np.asarray(pixels)
            except ValueError as error:  # of nested lists
                raise UserError(
                    f"{name} is not an array: its rows differ in length.", _REMEDY
                ) from error
        shape = tuple(pixels.shape)
        has_channels = has_colours(shape) or (shape[2:] == (1,) and min(shape) < min(shape[:2]))
        if len(shape) not in (2, 3) or 0 in shape or has_channels:
            raise UserError(f"{name} has the shape {shape}, which is not that of a stack.", _REMEDY)
        self._slices = as_stack(pixels)
        self.path, self.name = Path(name), name
        self.shape, self.dtype = self._slices.shape, np.dtype(pixels.dtype)
        if self.dtype == np.bool_:
            self.label_note = LabelNote(LabelConvention.MEMBRANE)

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of the array's dtype, see :meth:`Stack.read`."""
        page = np.asarray(self._slices[index])
        return page.astype(page.dtype.newbyteorder("="), copy=False)

    def close(self) -> None:
        """Do nothing: the array is its owner's."""
