"""A pair at another pixel size, so that a network sees all of its volumes at one scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.dataset.training_pair import TrainingPair
from training.formats.pixel_size import PixelSize, resampling_zoom
from training.formats.stack import Stack
from training.sampling.resampling import resize_bicubic, resize_nearest, zoomed_shape


class ResampledStack(Stack):
    """A stack whose slices are resized in the plane.

    Parameters
    ----------
    stack : Stack
        Stays open while slices are read.
    plane : (int, int)
        (Y, X) of the resized slices.
    pixel_size : PixelSize
        That of the resized slices.
    is_label : bool
        Whether pixels take the value of the nearest one; else slices are resized by cubics.
    """

    def __init__(
        self, stack: Stack, plane: tuple[int, int], pixel_size: PixelSize, is_label: bool
    ) -> None:
        self._stack, self._is_label = stack, is_label
        self.path, self.name = stack.path, stack.name
        self.shape, self.dtype = (len(stack), *plane), stack.dtype
        self.pixel_size, self.label_note = pixel_size, stack.label_note

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of the stack's dtype, see :meth:`Stack.read`."""
        page, plane = self._stack.read(index), self.shape[1:]
        if self._is_label:
            return resize_nearest(page, plane)
        wide = page.astype(np.float64)
        low, high = float(wide.min()), float(wide.max())
        above = (wide - low).astype(np.float32)  # which may have fewer digits than the pixels
        resized = resize_bicubic(above, plane, (0, high - low)).astype(np.float64) + low
        return (resized if self.dtype.kind == "f" else np.rint(resized)).astype(self.dtype)

    def close(self) -> None:
        """Close the stack."""
        self._stack.close()


def resample_pair(pair: TrainingPair, pixel_size: PixelSize | None) -> TrainingPair:
    """Resize a pair whose pixels are larger or smaller: images by cubics, labels by the nearest.

    So ids stay as they are, and their borders are as wide as those of other volumes.

    Parameters
    ----------
    pair : TrainingPair
        Stays open while slices are read.
    pixel_size : PixelSize or None
        That of the other volumes.

    Returns
    -------
    TrainingPair
        The same where both sizes are alike, or one of them is not known.

    Raises
    ------
    UserError
        If the sizes are too far apart, see :func:`resampling_zoom`.
    """
    own = pair.images.pixel_size
    if pixel_size is None or own is None or pixel_size.is_alike(own):
        return pair
    zoom = resampling_zoom(pixel_size, own, str(pair.images.path))
    plane = zoomed_shape(pair.images.shape[1:], zoom)
    seen = PixelSize(own.z, pixel_size.y, pixel_size.x)
    images = ResampledStack(pair.images, plane, seen, is_label=False)
    labels = ResampledStack(pair.labels, plane, seen, is_label=True)
    return TrainingPair(labels, pair.meaning, images)


def first_size(sizes: Iterable[PixelSize | None]) -> PixelSize | None:
    """Choose the pixel size of a training of volumes: the first that is known."""
    return next(filter(None, sizes), None)


def describe_sizes(sizes: Mapping[str, PixelSize | None]) -> list[str]:
    """Say which volumes are resampled, and hint at those whose pixel size is not known.

    Parameters
    ----------
    sizes : mapping of str to PixelSize or None
        Of the volumes in their order, by their names.

    Raises
    ------
    UserError
        As :func:`resample_pair`.
    """
    first = first_size(sizes.values())
    if first is None:
        return []
    told = []
    for name, size in sizes.items():
        if size is None:
            told.append(
                f"{name}: How large its pixels are is not known; others are of {first.plane}. If "
                "they differ, record it in the file, and it is resampled."
            )
        elif not first.is_alike(size):
            resampling_zoom(first, size, name)
            told.append(f"{name}: Its pixels of {size.plane} are resampled to {first.plane}.")
    return told
