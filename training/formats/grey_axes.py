"""Which axes of an array of any number are z, y and x."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.formats.tif_structure import OtherImageError

_ZYX = ("z", "y", "x")
_NAMES = {"t": "times", "c": "channels"}
_MOST_COLOURS = 4


@dataclass(frozen=True)
class GreyAxes:
    """Where the axes of a grey stack are in an array of more.

    Parameters
    ----------
    shape : (int, int, int)
        (Z, Y, X) of the stack.
    places : (int or None, int, int)
        Of z, y and x among the array's axes; z is None where the array is one slice.
    ndim : int
        Number of the array's axes; all others have the length 1.
    """

    shape: tuple[int, int, int]
    places: tuple[int | None, int, int]
    ndim: int

    def depth(self, chunks: tuple[int, ...]) -> int:
        """Find the slices in a chunk of some shape."""
        z = self.places[0]
        return 1 if z is None else int(chunks[z])

    def plane(self, chunks: tuple[int, ...]) -> tuple[int, int]:
        """Find the height and width of a chunk of some shape."""
        _, y, x = self.places
        return int(chunks[y]), int(chunks[x])

    def chunk_places(
        self, chunks: tuple[int, ...], start: int, stop: int
    ) -> Iterator[tuple[int, ...]]:
        """Give where the chunks, of some shape, of slices from ``start`` to ``stop`` begin."""
        ranges = [range(1)] * self.ndim
        bounds = (start, stop), (0, self.shape[1]), (0, self.shape[2])
        for place, (low, high) in zip(self.places, bounds, strict=True):
            if place is not None:
                length = int(chunks[place])
                ranges[place] = range(low - low % length, high, length)
        return product(*ranges)

    def read(self, array: Any, start: int, stop: int) -> NDArray[Any]:
        """Read slices.

        Parameters
        ----------
        array : array-like
            What the axes are of.
        start, stop : int
            The first slice, and the one after the last.

        Returns
        -------
        array (Z, Y, X)
            Of the array's dtype.
        """
        key: list[Any] = [0] * self.ndim
        z, y, x = self.places
        key[y] = key[x] = slice(None)
        if z is not None:
            key[z] = slice(start, stop)
        pixels = np.asarray(array[tuple(key)])
        kept = [place for place in range(self.ndim) if place in self.places]
        order = [kept.index(place) for place in self.places if place is not None]
        return pixels.transpose(order).reshape(-1, *self.shape[1:])


def find_grey_axes(shape: tuple[int, ...], names: Sequence[str], path: Path) -> GreyAxes:
    """Find z, y and x among the axes of an array.

    Parameters
    ----------
    shape : tuple of int
        The array's.
    names : sequence of str
        The axes' names in the array's order, such as ``zyxc``; empty: not recorded, and axes of
        the length 1 before and behind three others are taken off.
    path : Path
        Of the array, for messages.

    Raises
    ------
    OtherImageError
        If there are several channels, times or more, or no plane.
    """
    if names and len(names) == len(shape):
        others = {
            name: length
            for name, length in zip(names, shape, strict=True)
            if name not in _ZYX and length > 1
        }
        for name, length in others.items():
            kind = _NAMES.get(name, f"elements along an axis '{name:.9}'")
            listed = ("" if max(map(len, names)) == 1 else ", ").join(names)
            raise OtherImageError(
                f"{path} has {length} {kind} (axes {listed:.50}, shape {shape}).",
                "Save the one to segment as a stack of its own.",
            )
        if names.count("y") == names.count("x") == 1 >= names.count("z"):
            z = names.index("z") if "z" in names else None
            return _of_places(shape, (z, names.index("y"), names.index("x")))
    return _by_lengths(shape, path)


def has_colours(shape: tuple[int, ...]) -> bool:
    """Whether an array of such a shape is rather (Y, X, channels) than (Z, Y, X)."""
    return len(shape) >= 3 and 1 < shape[2] <= _MOST_COLOURS < min(shape[:2])


def _by_lengths(shape: tuple[int, ...], path: Path) -> GreyAxes:
    first, last = 0, len(shape)
    while last - first > 2 and shape[last - 1] == 1:
        last -= 1
    while last - first > 3 and shape[first] == 1:
        first += 1
    if last - first not in (2, 3):
        is_coloured = last - first > 3 and 1 < shape[last - 1] <= _MOST_COLOURS
        kind = "colours or channels" if is_coloured else "not one stack of grey slices"
        verb = "has" if is_coloured else "is"
        raise OtherImageError(
            f"{path} {verb} {kind}: its shape is {shape}.",
            "Save one grey stack (Z, Y, X) of it.",
        )
    if last - first == 3 and first == 0 and has_colours(shape):
        raise OtherImageError(
            f"{path} has colours or channels: its shape is {shape}.",
            "Save one grey stack (Z, Y, X) of it.",
        )
    z = first if last - first == 3 else None
    return _of_places(shape, (z, last - 2, last - 1))


def _of_places(shape: tuple[int, ...], places: tuple[int | None, int, int]) -> GreyAxes:
    z, y, x = places
    depth = 1 if z is None else shape[z]
    return GreyAxes((depth, shape[y], shape[x]), places, len(shape))
