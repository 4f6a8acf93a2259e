"""From the pixels of any dtype to a network's input in [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.stacks.even_slices import pick_evenly
from training.stacks.intensities import (
    LARGEST,
    Difference,
    Intensities,
    Membranes,
    compare_levels,
)
from training.stacks.padding import find_padding

INTEGER_RANGES = (255, 4095, 65535)
FLOAT_RANGES = (1.0, 255.0, 65535.0)
SAMPLED_SLICES = 8
LEVELS = 65535
_BAND = 2**16  # indices that are looked up at once
LEAST_STEPS = 256  # of a stack's integers that are rounded to 64-bit floats
# Of a stack's pixels, a hundredth at each end may be dust, hot pixels or anything.
LOWEST, LOW, HIGH, HIGHEST = 1, 5, 95, 99


class Slices(Protocol):
    """A stack: an array (Z, Y, X), a list of slices, or a file read slice by slice."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class Scaling:
    """The range of intensities that becomes [-1, 1], and the stack that it was chosen for.

    Parameters
    ----------
    dtype : str
        NumPy name of the stack's dtype, such as ``uint8``.
    low, high : float
        Intensities that become -1 and 1. Of a stack whose membranes are light where the model's
        are dark, or the other way round, ``low`` is the higher one.
    intensities : Intensities or None
        Those of the stack, before scaling; None where they are not known.
    adapts : bool
        Whether every stack is brought to the same 5th and 95th percentile, and turned over where
        its membranes are light: of a model for any stack.
    """

    dtype: str
    low: float
    high: float
    intensities: Intensities | None = field(default=None, compare=False)
    adapts: bool = False

    @classmethod
    def of(cls, stack: Slices) -> Scaling:
        """Choose the scaling of a stack by the rule.

        8-bit: 0..255. Other integers: 0 to the smallest of 255, 4095 and 65535 that holds all
        but a hundredth of the pixels. Floats: 0 to the smallest of 1, 255 and 65535. A stack
        that is not 8-bit and has negative values, larger ones, or fills less than a quarter of
        that range: from its 5th to its 95th percentile, and half as far again at both ends, if
        pixels are there. Hence the same image as uint8, uint16 (times 1 or 257) and float (over
        1 or 255) gives the same input to the network, and neither padding nor a hot pixel
        changes it.

        Parameters
        ----------
        stack : array (Z, Y, X), or sequence of arrays (Y, X)
            Any real dtype. Up to 8 slices, evenly spread, are looked at.

        Raises
        ------
        UserError
            If it is empty, not of real numbers, has infinite values or NaN, or such large or close
            ones that 64-bit floats can't tell them apart.
        """
        return _by_rule(*_measure(stack))

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Scaling:
        """Make the scaling of which ``dataclasses.asdict`` gave these fields, unchecked.

        Raises
        ------
        TypeError, KeyError or AttributeError
            If there are others.
        """
        measured = fields.get("intensities")
        if measured is not None:
            percentiles = tuple(measured["percentiles"])
            measured = Intensities(**{**measured, "percentiles": percentiles})
        return cls(**{**fields, "intensities": measured})

    def check(self) -> None:
        """Refuse a range, a dtype or intensities that no stack has.

        Raises
        ------
        ValueError or TypeError
            That says which of them it is.
        """
        if np.dtype(self.dtype).kind not in "buif" or not isinstance(self.dtype, str):
            raise ValueError(f"dtype is {self.dtype!r:.50}")
        limits = self.low, self.high
        if not all(type(limit) in (int, float) and abs(limit) <= LARGEST for limit in limits):
            raise ValueError(f"low and high are {limits!r:.50}")
        if type(self.adapts) is not bool:
            raise TypeError(f"adapts is {self.adapts!r:.50}")
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, above high, which is {self.high}")
        if self.intensities is not None:
            self.intensities.check()

    @property
    def is_inverted(self) -> bool:
        """Whether dark and light change places."""
        return self.low > self.high

    def for_stack(self, stack: Slices, membranes: Membranes = Membranes.AUTO) -> Scaling:
        """Choose the scaling to predict a stack with, if this is that of the training stack.

        A stack of the same dtype within the range is scaled like the training stack, and clipped.
        Any other gets its own scaling by the rule, or, where it would look different from the
        training stack then, the one that makes their 5th and 95th percentiles equal. That one is
        also chosen where this scaling adapts, or dark and light change places.

        Parameters
        ----------
        stack : array (Z, Y, X), or sequence of arrays (Y, X)
            Any real dtype.
        membranes : Membranes
            Those of the stack. AUTO: found by the stack, where this scaling adapts, else those of
            the training stack.

        Raises
        ------
        UserError
            As :meth:`of`.
        """
        dtype, measured = _measure(stack)
        is_inverted = self._is_inverted_for(measured, membranes)
        if self.adapts or is_inverted:
            own = replace(_by_rule(dtype, measured), adapts=self.adapts)
            return self._match_levels(own, is_inverted)
        if self._holds(dtype.name, measured):
            return replace(self, intensities=measured)
        own = _by_rule(dtype, measured)
        is_alike = self.difference(own) in (None, Difference.INVERTED)
        return own if is_alike else self._match_levels(own)

    def difference(self, other: Scaling) -> Difference | None:
        """Say in what a stack scaled by another scaling differs much from this one's stack.

        None also where either stack's intensities are not known.
        """
        mine, its = self.intensities, other.intensities
        if mine is None or its is None:
            return None
        if mine.is_inverted_to(its) and not other.is_inverted:
            return Difference.INVERTED
        return compare_levels(self._levels(mine), other._levels(its))

    def distance(self, other: Scaling) -> float:
        """Measure how far another scaling's stack, scaled beside this one's, is from it.

        Returns
        -------
        float
            The largest difference of their 5th to 95th percentiles, 0..1; infinite where the
            intensities of either are not known.
        """
        mine, its = self.intensities, other.intensities
        if mine is None or its is None:
            return np.inf
        scaling = self if self._holds(other.dtype, its) else other
        apart = np.abs(self._levels(mine) - scaling._levels(its))
        return float(apart[LOW : HIGH + 1].max())

    def _holds(self, dtype: str, measured: Intensities) -> bool:
        """Whether a stack of some intensities is scaled like this one's."""
        low, high = measured.percentiles[LOW], measured.percentiles[HIGH]
        return dtype == self.dtype and self.low <= low and high <= self.high

    def _is_inverted_for(self, measured: Intensities, membranes: Membranes) -> bool:
        """Whether dark and light of a stack of some intensities must change places."""
        if membranes == Membranes.AUTO and self.adapts:
            membranes = measured.membranes
        trained = Membranes.AUTO if self.intensities is None else self.intensities.membranes
        if trained == Membranes.AUTO:
            trained = Membranes.DARK  # as nearly all are
        return membranes not in (Membranes.AUTO, trained)

    def _match_levels(self, own: Scaling, is_inverted: bool = False) -> Scaling:
        """Scale another stack so that its percentiles become what those of this one's are."""
        if is_inverted:
            own = replace(own, low=own.high, high=own.low)
        mine, its = self.intensities, own.intensities
        if mine is None or its is None:
            return own
        lowest, highest = self._levels(mine)[[LOW, HIGH]].tolist()
        low, high = its.percentiles[LOW], its.percentiles[HIGH]
        if not (lowest < highest and low < high):
            return own
        if is_inverted:
            low, high = high, low
        span = (high - low) / (highest - lowest)
        low -= lowest * span
        return replace(own, low=low, high=low + span)

    def _levels(self, measured: Intensities) -> NDArray[np.float64]:
        """Scale percentiles to 0..1, rising."""
        span = (self.high - self.low) or 1.0
        return np.sort(np.clip((np.array(measured.percentiles) - self.low) / span, 0, 1))

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
        if image.dtype.kind in "iu" and image.dtype.itemsize <= 2:
            codes = image.view(f"u{image.dtype.itemsize}")
            if codes.itemsize == 1 and codes.strides[-1] == 1 and codes.shape[-1] % 2 == 0:
                pairs = _look_up(_table_of_pairs(self, image.dtype), codes.view(np.uint16))
                return pairs.view(np.float32)
            return _look_up(_table(self, image.dtype), codes)
        return self._compute(image)

    def apply_to_slice(self, image: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scale a slice, and find its padding, which becomes 0 as what lies beyond a slice.

        Parameters
        ----------
        image : array (Y, X)
            Any real dtype.

        Returns
        -------
        scaled : array (Y, X) of float32
            In [-1, 1].
        padding : array (Y, X) of bool
            See :func:`training.stacks.padding.find_padding`.
        """
        scaled, padding = self.apply(image), find_padding(image)
        if padding.any():
            scaled[padding] = 0
        return scaled, padding

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


def _look_up(table: NDArray[Any], codes: NDArray[Any]) -> NDArray[Any]:
    """Take from a table band by band: indices of 64 bits, which NumPy makes, stay in the cache."""
    found = np.empty(codes.shape, table.dtype)
    band = max(1, _BAND * len(codes) // max(1, codes.size))
    for start in range(0, len(codes), band):
        rows = slice(start, start + band)
        table.take(codes[rows], mode="clip", out=found[rows])
    return found


@lru_cache(maxsize=8)
def _table(scaling: Scaling, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    """Tabulate what each value of a small integer type becomes, by its bits: twice as fast."""
    codes = np.arange(256**dtype.itemsize, dtype=f"u{dtype.itemsize}")
    return scaling._compute(codes.view(dtype))


@lru_cache(maxsize=8)
def _table_of_pairs(scaling: Scaling, dtype: np.dtype[Any]) -> NDArray[np.uint64]:
    """Tabulate what two pixels of 8 bits become, by the bits of both: in half the time again."""
    codes = np.arange(2**16, dtype=np.uint16).view(np.uint8)
    return _table(scaling, dtype).take(codes).view(np.uint64)


def _measure(stack: Slices) -> tuple[np.dtype[Any], Intensities]:
    """Find the dtype, and the intensities of up to 8 slices."""
    if len(stack) == 0:
        raise UserError("The stack is empty: it does not hold a slice.")
    dtypes = []

    def slices() -> Iterator[NDArray[Any]]:
        for index in pick_evenly(range(len(stack)), SAMPLED_SLICES):
            image = np.asarray(stack[index])
            check_pixels(image, f"Slice {index}")
            low, high = float(image.min()), float(image.max())
            if image.dtype.kind == "f" and max(-low, high) > LARGEST:
                raise _not_computable(image.dtype, low, high)
            dtypes.append(image.dtype)
            yield image

    measured = Intensities.of(slices())
    low, high = measured.percentiles[LOWEST], measured.percentiles[HIGHEST]
    finest = np.spacing(max(abs(low), abs(high)))
    is_rounded = dtypes[0].kind in "iu" and finest > 1 and high - low < LEAST_STEPS * finest
    if is_rounded or 0 < high - low < 1 / LARGEST:
        raise _not_computable(dtypes[0], low, high)
    return dtypes[0], measured


def _not_computable(dtype: np.dtype[Any], low: float, high: float) -> UserError:
    return UserError(
        f"The pixels of this stack are {dtype} from {low:.6g} to {high:.6g}, which are too large, "
        "or too close to each other, to compute with.",
        "Subtract the lowest value, and scale what is left to 0..65535, first.",
    )


def _by_rule(dtype: np.dtype[Any], measured: Intensities) -> Scaling:
    """Choose a scaling as :meth:`Scaling.of` says."""
    if dtype == np.uint8:
        return Scaling("uint8", 0.0, 255.0, measured)
    percentiles = measured.percentiles
    ranges = FLOAT_RANGES if dtype.kind == "f" else INTEGER_RANGES
    lowest, highest = percentiles[LOWEST], percentiles[HIGHEST]
    nominal = next((top for top in ranges if highest <= top), None)
    if nominal is not None and lowest >= 0 and highest - lowest >= nominal / 4:
        return Scaling(dtype.name, 0.0, float(nominal), measured)
    margin = (percentiles[HIGH] - percentiles[LOW]) / 2
    low = max(percentiles[0], percentiles[LOW] - margin)
    high = min(percentiles[-1], percentiles[HIGH] + margin)
    return Scaling(dtype.name, low, high, measured)


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
