"""Resizing and mirroring of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass


def mirror(image: NDArray[np.float32], shape: tuple[int, int], margin: int) -> NDArray[np.float32]:
    """Extend an image at its end to ``shape``, then by ``margin`` on all sides, by mirroring."""
    widths = [
        (margin, wanted - length + margin)
        for length, wanted in zip(image.shape, shape, strict=True)
    ]
    if not np.any(widths):
        return image
    return np.pad(image, widths, mode="reflect")


def resize_bilinear(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize as OpenCV's INTER_LINEAR: centres of pixels at halves, no antialiasing."""
    from scipy import ndimage  # here, since it takes long and compact does without

    factors = [wanted / length for wanted, length in zip(shape, image.shape, strict=True)]
    resized: NDArray[np.float32] = ndimage.zoom(
        image, factors, order=1, mode="nearest", grid_mode=True
    )
    return resized
