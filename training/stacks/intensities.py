"""How bright a stack is, how much contrast it has, and whether its thin lines are dark."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.files.untrusted_files import is_number
from training.stacks.padding import find_padding

LARGEST = 1e300  # what a scaling multiplies is still a number
SAMPLED_PIXELS = 2**13  # of a slice, evenly spread
LINE = 4  # pixels: about how thick a membrane is
WINDOW = 256  # pixels a side, in the middle of a slice, that are searched for lines
CLEAR_SKEWNESS = 0.08
CHANCE = 2.5  # standard deviations of the skewness of noise that are taken for chance
# Beyond them the Dice of `compact` on ISBI falls by 0.02 to 0.08, and soon by all of it.
MOST_SHIFT = 0.15  # of the median, where 1 is from black to white
MOST_STRETCH = 1.8  # of the range of four fifths of the pixels


class Membranes(StrEnum):
    """Which membranes a stack has; AUTO: it is found out, where the model is for any stack."""

    AUTO = "auto"
    DARK = "dark"
    LIGHT = "light"


class Difference(Enum):
    """In what a stack differs from the one that a model was trained on."""

    INVERTED = "inverted"
    DARKER = "darker"
    BRIGHTER = "brighter"
    LESS_CONTRAST = "less contrast"
    MORE_CONTRAST = "more contrast"


@dataclass(frozen=True)
class Intensities:
    """The histogram of a stack's tissue, as percentiles, and which side its thin lines lie on.

    Parameters
    ----------
    percentiles : tuple of float
        The intensities that 0, 1, ... 100 % of the pixels do not exceed; padding is left out.
    skewness : float
        Skewness of what is finer than its surroundings: negative where thin lines, as membranes
        are, are dark; 0 where that can't be seen.
    """

    percentiles: tuple[float, ...]
    skewness: float

    @classmethod
    def of(cls, slices: Iterable[NDArray[Any]]) -> Intensities:
        """Measure slices (Y, X) of any real dtype; at least one.

        Slices of one value, such as missing sections, count as padding, unless all are so.
        """
        tissue, empty, skewness, counts = [], [], [], []
        for image in slices:
            if image.dtype == bool:  # which has no percentiles
                image = image.view(np.uint8)
            is_tissue = ~find_padding(image)
            step = math.ceil(math.sqrt(image.size / SAMPLED_PIXELS))
            thinned = image[::step, ::step]
            pixels = thinned[is_tissue[::step, ::step]]
            if pixels.size:
                tissue.append(pixels)
                found, count = _line_skewness(image, is_tissue, *np.percentile(pixels, (1, 99)))
                if count:
                    skewness.append(found)
                    counts.append(count)
            else:
                empty.append(thinned.ravel())
        pixels = np.sort(np.concatenate(tissue or empty))
        places = np.rint(np.linspace(0, len(pixels) - 1, 101)).astype(np.intp)
        mean = float(np.mean(skewness or 0.0))
        # Slices are alike, so that many of them show as little as one.
        if abs(mean) < CHANCE * math.sqrt(6 / np.mean(counts or 1)):
            mean = 0.0
        return cls(tuple(map(float, pixels[places])), round(mean, 4))

    @property
    def membranes(self) -> Membranes:
        """Which membranes the stack has; AUTO where that can't be seen clearly."""
        if abs(self.skewness) <= CLEAR_SKEWNESS:
            return Membranes.AUTO
        return Membranes.DARK if self.skewness < 0 else Membranes.LIGHT

    def is_inverted_to(self, other: Intensities) -> bool:
        """Whether thin lines are dark in one and bright in the other, clearly in both."""
        return {self.membranes, other.membranes} == {Membranes.DARK, Membranes.LIGHT}

    def check(self) -> None:
        """Refuse numbers that no stack has.

        Raises
        ------
        ValueError or TypeError
            That says what is wrong with them.
        """
        numbers = self.percentiles
        if len(numbers) != 101 or not all(map(is_number, (*numbers, self.skewness))):
            raise ValueError("percentiles are not 101 numbers, or skewness is none")
        if list(numbers) != sorted(numbers) or max(map(abs, numbers)) > LARGEST:
            raise ValueError("percentiles don't rise")


def compare_levels(trained: NDArray[np.float64], stack: NDArray[np.float64]) -> Difference | None:
    """Say in what the scaled intensities of a stack differ much from those trained on.

    Parameters
    ----------
    trained, stack : arrays (101,) of float64
        Percentiles, from 0 (black) to 1 (white).
    """
    contrast, brightness = stack[90] - stack[10], stack[50] - trained[50]
    usual = trained[90] - trained[10]
    if brightness < -MOST_SHIFT:
        return Difference.DARKER
    if brightness > MOST_SHIFT:
        return Difference.BRIGHTER
    if contrast < usual / MOST_STRETCH:
        return Difference.LESS_CONTRAST
    return Difference.MORE_CONTRAST if contrast > usual * MOST_STRETCH else None


def _line_skewness(
    image: NDArray[Any], is_tissue: NDArray[np.bool_], low: float, high: float
) -> tuple[float, int]:
    """Compute the skewness of means over a line's thickness, less the means around them.

    Intensities are clipped to ``low`` and ``high``, so that no dust counts. Returns of how many
    means it is as well, which is 0 for a slice without detail.
    """
    height, width = (min(length, WINDOW) // LINE for length in image.shape)
    if min(height, width) < 2 * LINE or not 0 < high - low < LARGEST:
        return 0.0, 0
    top, left = (image.shape[0] - height * LINE) // 2, (image.shape[1] - width * LINE) // 2
    window = slice(top, top + height * LINE), slice(left, left + width * LINE)
    blocks = _blocks((np.clip(image[window], low, high) - low) / (high - low))
    is_known = _around(_blocks(is_tissue[window])) > 1 - 1e-6
    detail = (blocks[2:-2, 2:-2] - _around(blocks))[is_known]
    deviation = detail.std() if detail.size else 0.0
    if deviation <= 1e-6:
        return 0.0, 0
    return float((detail**3).mean() / deviation**3), detail.size


def _blocks(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Average blocks of LINE x LINE pixels."""
    rows = np.add.reduce([plane[start::LINE] for start in range(LINE)], dtype=np.float32)
    total = np.add.reduce([rows[:, start::LINE] for start in range(LINE)])
    return np.asarray(total / LINE**2, np.float32)


def _around(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average 5 x 5 blocks around each that has so many."""
    height, width = blocks.shape
    rows = np.add.reduce([blocks[start : height - 4 + start] for start in range(5)])
    total = np.add.reduce([rows[:, start : width - 4 + start] for start in range(5)])
    return np.asarray(total / 25, np.float32)
