"""Resizing and mirroring of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mirror(image: NDArray[np.float32], shape: tuple[int, int], margin: int) -> NDArray[np.float32]:
    """Extend an image at its end to ``shape``, then by ``margin`` on all sides, by mirroring.

    Parameters
    ----------
    image : array (Y, X) of float32
    shape : (int, int)
        In pixels (Y, X), at least the image's.
    margin : int
        In pixels.

    Returns
    -------
    array (Y, X) of float32
        The image itself where nothing is to be added.
    """
    widths = [
        (margin, wanted - length + margin)
        for length, wanted in zip(image.shape, shape, strict=True)
    ]
    if not np.any(widths):
        return image
    return np.pad(image, widths, mode="reflect")


def resize_bilinear(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize as OpenCV's INTER_LINEAR does: pixel centres at halves, no antialiasing.

    Parameters
    ----------
    image : array (Y, X) of float32
    shape : (int, int)
        Wanted, in pixels (Y, X).

    Returns
    -------
    array (Y, X) of float32
    """
    for axis, length in enumerate(shape):
        if image.shape[axis] != length:
            image = _resize_axis(image, length, axis)
    return image


def resize_bicubic(
    image: NDArray[np.float32], shape: tuple[int, ...], limits: tuple[float, float]
) -> NDArray[np.float32]:
    """Resize by cubics, which take in more where the image shrinks, so that nothing is aliased.

    Parameters
    ----------
    image : array (Y, X) of float32
    shape : (int, int)
        Wanted, in pixels (Y, X).
    limits : (float, float)
        What the values stay within; cubics overshoot at edges.

    Returns
    -------
    array (Y, X) of float32
        The image itself where it has that shape.
    """
    if image.shape == shape:
        return image
    from PIL import Image

    height, width = shape
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(resized), *limits)


def resize_nearest(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize an image (Y, X) of any dtype to a shape (Y, X): each pixel has its nearest's value."""
    rows, columns = (
        ((np.arange(length) + 0.5) * (size / length)).astype(np.intp)
        for length, size in zip(shape, image.shape, strict=True)
    )
    resized: NDArray[Any] = image[np.ix_(rows, columns)]
    return resized


def zoomed_shape(shape: tuple[int, ...], zoom: tuple[float, float]) -> tuple[int, int]:
    """Give the shape (Y, X) of an image resized by factors (Y, X), at least a pixel."""
    height, width = (
        max(1, round(length * factor)) for length, factor in zip(shape, zoom, strict=True)
    )
    return height, width


def _resize_axis(image: NDArray[np.float32], length: int, axis: int) -> NDArray[np.float32]:
    size = image.shape[axis]
    places = np.clip((np.arange(length) + 0.5) * (size / length) - 0.5, 0, size - 1)
    lower = places.astype(np.intp)
    share = np.expand_dims((places - lower).astype(np.float32), 1 - axis)
    near = image.take(lower, axis)
    return near + share * (image.take(np.minimum(lower + 1, size - 1), axis) - near)
