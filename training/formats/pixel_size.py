"""The size of pixels, where the first one lies, and the lengths of units that programs write."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import TypeGuard

from training.errors import UserError
from training.files.untrusted_files import is_number

INCH = 2.54e7
# Nanometres of a unit, by its names in lower case and in the singular.
NANOMETRES = {
    "pm": 1e-3,
    "picometer": 1e-3,
    "a": 0.1,
    "å": 0.1,
    "angstrom": 0.1,
    "ångström": 0.1,
    "ångstrom": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "nano": 1.0,
    "u": 1e3,
    "um": 1e3,
    "μ": 1e3,
    "μm": 1e3,
    "micron": 1e3,
    "micro": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "millimetre": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "centimetre": 1e7,
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
    "in": INCH,
    "inch": INCH,
    "inches": INCH,
}
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")  # as ImageJ writes what is not ASCII
# Larger pixels are a printer's resolution (72 to 600 dpi), not a microscope's.
LARGEST = 1e4
SMALLEST = 1e-6
MOST_RATIO = 1.2  # of sizes at which a network still sees the same
MOST_ZOOM = 16.0  # a slice of 2048 x 2048 takes 4 GB then
FARTHEST = 1e12  # nanometres that a stack may begin away from where a volume does

Offset = tuple[float, float, float]
"""Where the centre of a stack's first pixel is (z, y, x) in a larger volume, in nm."""
NO_OFFSET: Offset = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PixelSize:
    """Nanometres a pixel along each axis; ``z`` is None where only the plane's are known."""

    z: float | None
    y: float
    x: float

    @classmethod
    def of(cls, z: float | None, y: float | None, x: float | None) -> PixelSize | None:
        """Make one of recorded lengths in nanometres; None where those of the plane can't be.

        A resolution that a printer has, and lengths that are not numbers above 0, count as
        not recorded.
        """
        if not (_is_length(y) and _is_length(x) and max(y, x) <= LARGEST):
            return None
        return cls(z if _is_length(z) else None, y, x)

    @property
    def plane(self) -> str:
        """The size in the plane, in words: "4 nm", or "4 x 5 nm" along Y and X."""
        sides = dict.fromkeys(f"{side:.3g}" for side in (self.y, self.x))
        return f"{' x '.join(sides)} nm"

    def is_alike(self, other: PixelSize) -> bool:
        """Whether pixels are as large as others in the plane, to a fifth."""
        ratios = self.y / other.y, self.x / other.x
        return all(1 / MOST_RATIO <= ratio <= MOST_RATIO for ratio in ratios)

    def check(self) -> None:
        """Refuse lengths that no file's pixel size is read as.

        Raises
        ------
        ValueError or TypeError
            That says what the lengths are.
        """
        lengths = (self.z, self.y, self.x)
        is_numbers = all(length is None or is_number(length) for length in lengths)
        if not is_numbers or PixelSize.of(*lengths) != self:
            raise ValueError(f"pixel_size is {lengths!r:.50}")


def read_offset(z: float | None, y: float | None, x: float | None) -> Offset:
    """Make an offset of recorded lengths in nanometres, which are 0 where they can't be one."""
    lengths = [length if length is not None else math.nan for length in (z, y, x)]
    z, y, x = (length if abs(length) <= FARTHEST else 0.0 for length in lengths)
    return z, y, x


def resampling_zoom(trained: PixelSize, stack: PixelSize | None, name: str) -> tuple[float, float]:
    """Give the factors (Y, X) by which a stack is resized to the pixel size of a training.

    Raises
    ------
    UserError
        If the size of the stack, which is called ``name``, is not known, or so far from the
        training's that one of them must be wrong.
    """
    if stack is None:
        raise UserError(
            f"The pixel size of {name} is not known, so it can't be resampled.",
            "Record it in the file, or give it: --pixel-size, or pixel_size in Python.",
        )
    zoom = stack.y / trained.y, stack.x / trained.x
    if not all(1 / MOST_ZOOM <= factor <= MOST_ZOOM for factor in zoom):
        raise UserError(
            f"The pixels of {name} are {stack.plane}, the model's {trained.plane}: too far apart "
            "to be resampled.",
            "Check the pixel size, or train a model on such slices.",
        )
    return zoom


def nanometres(unit: str) -> float | None:
    """Find the nanometres of a unit that a program or a person wrote; None if it isn't a length."""
    written = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), unit)
    # Its compatible form has one sign for micro and one for angstrom, of the two that there are.
    name = unicodedata.normalize("NFKC", written).strip().strip(".").lower()
    return NANOMETRES.get(name, NANOMETRES.get(name.removesuffix("s")))


def _is_length(length: float | None) -> TypeGuard[float]:
    return length is not None and SMALLEST <= length < math.inf
