"""From the pixels of any dtype to a network's input in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.stacks.even_slices import pick_evenly

INTEGER_RANGES = (255, 4095, 65535)
FLOAT_RANGES = (1.0, 255.0, 65535.0)
SAMPLED_SLICES = 16
LEVELS = 65535
LARGEST = 1e300  # what LEVELS times is still a number


class Slices(Protocol):
    """A stack: an array (Z, Y, X), a list of slices, or a file read slice by slice."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class Scaling:
    """The range of intensities that becomes [-1, 1], and the dtype that it was chosen for.

    Parameters
    ----------
    dtype : str
        NumPy name of the stack's dtype, such as ``uint8``.
    low, high : float
        Intensities that become -1 and 1.
    """

    dtype: str
    low: float
    high: float

    @classmethod
    def of(cls, stack: Slices) -> Scaling:
        """Choose the scaling of a stack by the rule.

        8-bit: 0..255. Other integers: 0 to the smallest of 255, 4095 and 65535 that holds the
        maximum. Floats: 0 to the smallest of 1, 255 and 65535. A stack that is not 8-bit and
        has negative values, larger ones, or fills less than a quarter of that range: its own
        minimum to its maximum. Hence the same image as uint8, uint16 (times 1 or 257) and
        float (over 1 or 255) gives the same input to the network.

        Parameters
        ----------
        stack : array (Z, Y, X), or sequence of arrays (Y, X)
            Any real dtype. Up to 16 slices, evenly spread, are looked at.

        Raises
        ------
        UserError
            If it is empty, not of real numbers, or has infinite values or NaN.
        """
        dtype, minimum, maximum = _extent(stack)
        if dtype == np.uint8:
            return cls("uint8", 0.0, 255.0)
        ranges = FLOAT_RANGES if dtype.kind == "f" else INTEGER_RANGES
        nominal = next((top for top in ranges if maximum <= top), None)
        if nominal is None or minimum < 0 or maximum - minimum < nominal / 4:
            return cls(dtype.name, minimum, maximum)
        return cls(dtype.name, 0.0, float(nominal))

    def check(self) -> None:
        """Raise a ValueError or TypeError for a range or dtype that no stack has."""
        if np.dtype(self.dtype).kind not in "buif" or not isinstance(self.dtype, str):
            raise ValueError(f"dtype is {self.dtype!r:.50}")
        limits = self.low, self.high
        if not all(type(limit) in (int, float) and abs(limit) <= LARGEST for limit in limits):
            raise ValueError(f"low and high are {limits!r:.50}")
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, above high, which is {self.high}")

    def for_stack(self, stack: Slices) -> Scaling:
        """Choose the scaling to predict a stack with: this one, if dtype and values fit it.

        Another dtype gets its own scaling by the rule.

        Parameters
        ----------
        stack : array (Z, Y, X), or sequence of arrays (Y, X)
            Any real dtype.

        Raises
        ------
        UserError
            As :meth:`of`.
        """
        dtype, minimum, maximum = _extent(stack)
        is_fitting = dtype.name == self.dtype and self.low <= minimum and maximum <= self.high
        return self if is_fitting else Scaling.of(stack)

    def apply(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Scale an image to [-1, 1]; values out of the range are clipped.

        Intensities are rounded to 16 bits of the range, so that rounding errors of a float
        image don't make its input differ from the integer one's in the last bit.

        Parameters
        ----------
        image : array (Y, X) or (Z, Y, X)
            Any real dtype.

        Returns
        -------
        array of float32
            Scaled, in the image's shape.
        """
        if image.dtype.kind in "iu" and image.dtype.itemsize <= 2 and image.dtype.isnative:
            codes = image.view(f"u{image.dtype.itemsize}")
            return _table(self, image.dtype).take(codes, mode="clip")
        return self._compute(image)

    def _compute(self, image: NDArray[Any]) -> NDArray[np.float32]:
        span = (self.high - self.low) or 1.0  # of a stack of one value
        level = image.astype(np.float64)
        level -= self.low
        level *= LEVELS / span
        np.rint(np.clip(level, 0, LEVELS, out=level), out=level)
        level *= 2.0 / LEVELS
        level -= 1.0
        scaled: NDArray[np.float32] = level.astype(np.float32)
        return scaled


@lru_cache(maxsize=8)
def _table(scaling: Scaling, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    """Tabulate what each value of a small integer type becomes, by its bits: twice as fast."""
    codes = np.arange(256**dtype.itemsize, dtype=f"u{dtype.itemsize}")
    return scaling._compute(codes.view(dtype))


def _extent(stack: Slices) -> tuple[np.dtype[Any], float, float]:
    """Find the dtype, and the minimum and maximum of up to 16 slices."""
    if len(stack) == 0:
        raise UserError("The stack is empty: it does not hold a slice.")
    extents = []
    for index in pick_evenly(range(len(stack)), SAMPLED_SLICES):
        image = np.asarray(stack[index])
        check_pixels(image, f"Slice {index}")
        extents.append((image.min(), image.max()))
    minimum = float(min(low for low, _ in extents))
    maximum = float(max(high for _, high in extents))
    return image.dtype, minimum, maximum


def check_pixels(image: NDArray[Any], name: str) -> None:
    """Refuse an image that is empty, not of real numbers, or has NaN or infinite values.

    Parameters
    ----------
    image : array (Y, X) or (Z, Y, X)
        Any dtype.
    name : str
        What the message calls it.

    Raises
    ------
    UserError
    """
    if image.dtype.kind not in "buif":
        raise UserError(f"{name} has pixels of type {image.dtype}, not numbers.")
    if image.size == 0:
        raise UserError(f"{name} is empty: it does not hold a pixel.")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise UserError(
            f"{name} has NaN or infinite pixels.", "Replace them with finite values first."
        )
