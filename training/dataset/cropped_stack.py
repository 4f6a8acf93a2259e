"""The part of a stack that another one covers."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from training.errors import UserError
from training.formats.stack import Stack

_TOLERANCE = 0.01  # of a pixel


class CroppedStack(Stack):
    """A box of a stack, read from it.

    Parameters
    ----------
    stack : Stack
        Stays open while slices are read.
    corner : (int, int, int)
        The first slice, row and column.
    shape : (int, int, int)
        (Z, Y, X) of the box.
    """

    def __init__(
        self, stack: Stack, corner: tuple[int, int, int], shape: tuple[int, int, int]
    ) -> None:
        self._stack, self._corner = stack, corner
        self.path, self.name = stack.path, stack.name
        self.shape, self.dtype = shape, stack.dtype
        self.pixel_size, self.label_note = stack.pixel_size, stack.label_note

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of the stack's dtype, see :meth:`Stack.read`."""
        z, y, x = self._corner
        page = self._stack.read(z + range(len(self))[index])
        return page[y : y + self.shape[1], x : x + self.shape[2]].copy()

    def close(self) -> None:
        """Close the stack."""
        self._stack.close()


def crop_to(images: Stack, labels: Stack) -> Stack:
    """Crop images to the box that their labels say they are in.

    CREMI's and others' labels cover a part of the images, whose place they record in nanometres.

    Parameters
    ----------
    images, labels : Stack
        Where labels record no place, or have the images' shape, the images are returned.

    Raises
    ------
    UserError
        If the place is between the images' pixels, or reaches out of them.
    """
    size = images.pixel_size
    if images.shape == labels.shape or not any(labels.offset) or size is None or size.z is None:
        return images
    sides = size.z, size.y, size.x
    starts = [
        (inner - outer) / side
        for inner, outer, side in zip(labels.offset, images.offset, sides, strict=True)
    ]
    z, y, x = corner = tuple(map(round, starts))
    is_whole = all(abs(start - at) < _TOLERANCE for start, at in zip(starts, corner, strict=True))
    ends = [at + length for at, length in zip(corner, labels.shape, strict=True)]
    fits = min(corner) >= 0 and all(
        end <= length for end, length in zip(ends, images.shape, strict=True)
    )
    if not (is_whole and fits):
        raise UserError(
            f"{labels.path} records that it begins at {labels.offset} nm (z, y, x), which is not "
            f"a place for {labels.shape} pixels in {images.path}.",
            "Correct its attribute offset, or give labels of the images' shape.",
        )
    return CroppedStack(images, (z, y, x), labels.shape)
