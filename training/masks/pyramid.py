"""Smaller copies of slices, half as high and wide each, for viewers of large images."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST_SIDE = 256  # pixels; no smaller copy is made of what fits


def count_levels(height: int, width: int) -> int:
    """Count the sizes of a pyramid, the full one among them."""
    levels = 1
    while max(height, width) > SMALLEST_SIDE:
        height, width, levels = -(-height // 2), -(-width // 2), levels + 1
    return levels


def halve(page: NDArray[Any], is_label: bool) -> NDArray[Any]:
    """Make a slice (Y, X) half as large, odd sides rounded up; the dtype stays.

    Parameters
    ----------
    is_label : bool
        Take the value that most of 2 x 2 pixels have, the first of them in doubt; else their mean.
    """
    height, width = page.shape
    is_odd = height % 2 or width % 2
    even = np.pad(page, ((0, height % 2), (0, width % 2)), mode="edge") if is_odd else page
    if is_label and _is_mask(even):
        return _halve_mask(even)
    # Copies: pixels that lie apart are compared in four times the time.
    first, *others = (plane.ravel() for y in (0, 1) for plane in _every_other(even[y::2]))
    shape = even.shape[0] // 2, even.shape[1] // 2
    if not is_label:
        mean: NDArray[Any] = np.mean([first, *others], axis=0, dtype=np.float32).reshape(shape)
        return (mean if page.dtype.kind == "f" else np.rint(mean)).astype(page.dtype)
    # Only where the first is alone can another value be that of more pixels.
    is_alone = first != others[0]
    for other in others[1:]:
        is_alone &= first != other
    alone = np.flatnonzero(is_alone)
    second, third, fourth = (other[alone] for other in others)
    is_second = (second == third) | (second == fourth)
    first[alone] = np.select([is_second, third == fourth], [second, third], first[alone])
    result: NDArray[Any] = first.reshape(shape)
    return result


def _is_mask(page: NDArray[Any]) -> bool:
    """Whether all pixels are 0 or 255, of 8 bits."""
    if page.dtype != np.uint8:
        return False
    signed = page.view(np.int8)  # in which 255 is -1
    return bool(signed.min() >= -1 and signed.max() <= 0)


def _halve_mask(page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Halve labels that are 0 or 255, as a bit each: in half the time."""
    bits = np.packbits(page, axis=1, bitorder="little")
    if bits.shape[1] % 2:
        bits = np.pad(bits, ((0, 0), (0, 1)))
    words = bits.view("<u2")
    upper, lower = words[::2], words[1::2]
    right, lower_right = upper >> 1, lower >> 1
    others = lower & lower_right & right
    # The first, unless all others are unlike it. What is wanted is in every other bit.
    found = _every_other_bit().take(upper & (lower | lower_right | right) | others, mode="clip")
    width = page.shape[1] // 2
    return np.unpackbits(found, axis=1, count=width, bitorder="little") * np.uint8(255)


@cache
def _every_other_bit() -> NDArray[np.uint8]:
    """Tabulate the bits 0, 2, ... of each number of 16 bits, as one of 8."""
    numbers = np.arange(2**16, dtype="<u2").view(np.uint8)
    bits = np.unpackbits(numbers, bitorder="little")[::2]
    return np.packbits(bits, bitorder="little")


def _every_other(page: NDArray[Any]) -> list[NDArray[Any]]:
    """Copy the columns 0, 2, ... and 1, 3, ... of a page (Y, X) whose width is even."""
    bits = 8 * page.itemsize
    if bits > 32:
        return [page[:, 0::2].copy(), page[:, 1::2].copy()]
    # Two pixels as one number are cut in half in a third of the time.
    pairs = np.ascontiguousarray(page).view(f"u{bits // 4}")
    halves = [half.astype(f"u{bits // 8}").view(page.dtype) for half in (pairs, pairs >> bits)]
    return halves if sys.byteorder == "little" else halves[::-1]
