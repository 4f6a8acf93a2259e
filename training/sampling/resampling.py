"""Resizing and mirroring of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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


class MadeAxis(NamedTuple):
    """How some pixels along an axis are made of others.

    Parameters
    ----------
    needed : array of int
        Indices of those that they are made of, rising.
    make : callable
        From an image (Y, X) of these, and their axis, to one of those that are made.
    """

    needed: NDArray[np.intp]
    make: Callable[[NDArray[np.float32], int], NDArray[np.float32]]


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
    return _resize(image, shape, linear_axis)


def resize_bicubic(
    image: NDArray[np.float32], shape: tuple[int, ...], limits: tuple[float, float]
) -> NDArray[np.float32]:
    """Resize by cubics, which take in more where the image shrinks, so that nothing is aliased.

    As Pillow's BICUBIC does.

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
    return np.clip(_resize(image, shape, cubic_axis), *limits)


def linear_axis(size: int, length: int, wanted: NDArray[np.intp]) -> MadeAxis:
    """Resize an axis from a size to a length, as :func:`resize_bilinear`.

    ``wanted`` is an array (N,) of int: the pixels of it that are made.
    """
    if size == length:
        return _same_axis(wanted)
    places = np.clip((wanted + 0.5) * (size / length) - 0.5, 0, size - 1)
    lower = places.astype(np.intp)
    return _between(lower, np.minimum(lower + 1, size - 1), places - lower)


def shifted_axis(size: int, shift: float, wanted: NDArray[np.intp]) -> MadeAxis:
    """Shift an axis of some size by pixels, its ends repeated.

    ``wanted`` is an array (N,) of int: the pixels of it that are made.
    """
    if not shift:
        return _same_axis(wanted)
    whole = math.floor(-shift)
    lower, upper = (np.clip(wanted + whole + step, 0, size - 1) for step in (0, 1))
    return _between(lower, upper, np.full(len(wanted), -shift - whole))


def cubic_axis(size: int, length: int, wanted: NDArray[np.intp]) -> MadeAxis:
    """Resize an axis from a size to a length, as :func:`resize_bicubic`.

    ``wanted`` is an array (N,) of int: the pixels of it that are made.
    """
    if size == length:
        return _same_axis(wanted)
    from scipy import sparse

    factor = size / length
    stretch = max(factor, 1.0)
    centres = (wanted + 0.5) * factor
    first = np.maximum((centres - 2 * stretch + 0.5).astype(np.intp), 0)
    stop = np.minimum((centres + 2 * stretch + 0.5).astype(np.intp), size)
    taps = first[:, np.newaxis] + np.arange((stop - first).max())
    weights = _cubic((taps + 0.5 - centres[:, np.newaxis]) / stretch)
    weights[taps >= stop[:, np.newaxis]] = 0
    weights /= weights.sum(1, keepdims=True)
    lowest, highest = int(first.min()), int(stop.max())
    is_used = weights != 0
    ends = np.concatenate([[0], is_used.sum(1).cumsum()])
    entries = weights[is_used].astype(np.float32), taps[is_used] - lowest, ends
    matrix = sparse.csr_array(entries, shape=(len(wanted), highest - lowest))

    def make(image: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = matrix @ image if axis == 0 else (matrix @ image.T).T
        return found

    return MadeAxis(np.arange(lowest, highest), make)


def resize_planes(planes: NDArray[np.float32], axes: Sequence[MadeAxis]) -> NDArray[np.float32]:
    """Make planes (Y, X), or (C, Y, X), of float32 of those that the axes Y and X need."""
    if planes.ndim > 2:
        return np.stack([resize_planes(plane, axes) for plane in planes])
    for axis, made in enumerate(axes):
        planes = made.make(planes, axis)
    return planes


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


def _resize(
    image: NDArray[np.float32],
    shape: tuple[int, ...],
    kind: Callable[[int, int, NDArray[np.intp]], MadeAxis],
) -> NDArray[np.float32]:
    """Resize an image (Y, X) as a whole."""
    axes = [
        kind(size, length, np.arange(length))
        for size, length in zip(image.shape, shape, strict=True)
    ]
    return resize_planes(image[np.ix_(*(axis.needed for axis in axes))], axes)


def _same_axis(wanted: NDArray[np.intp]) -> MadeAxis:
    needed, places = np.unique(wanted, return_inverse=True)
    if len(needed) == len(wanted) and (needed == wanted).all():
        return MadeAxis(needed, lambda image, _: image)
    return MadeAxis(needed, lambda image, axis: image.take(places, axis))


def _between(lower: NDArray[np.intp], upper: NDArray[np.intp], share: NDArray[Any]) -> MadeAxis:
    """Make pixels of a lower one each and a share of the way to an upper one."""
    needed, places = np.unique(np.stack([lower, upper]), return_inverse=True)
    below, above = places.reshape(2, -1)

    def make(image: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        near = image.take(below, axis)
        way: NDArray[np.float32] = image.take(above, axis)
        way -= near
        way *= np.expand_dims(share.astype(np.float32), 1 - axis)
        way += near
        return way

    return MadeAxis(needed, make)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys's kernel (1981) with a = -1/2, of arrays of any shape."""
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    weights: NDArray[np.float64] = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return weights
