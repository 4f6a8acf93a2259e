"""In which units objects are measured: nm, µm² and µm³, or pixels where no size is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.formats.pixel_size import PixelSize

_SQUARE = 1e-4  # relative difference of sides up to which pixels are squares
_SAME = 0.01  # relative difference of sides up to which two files were rounded
_UM2, _UM3 = 1e-6, 1e-9  # of a nm² and a nm³


@dataclass(frozen=True)
class Scale:
    """The sides of a pixel (Y, X) or a voxel (Z, Y, X), and what measures by them are called.

    Parameters
    ----------
    sides : tuple of float
        In nm; all 1 where they are not known.
    is_known : bool
        Whether they are.
    """

    sides: tuple[float, ...]
    is_known: bool

    @property
    def length(self) -> str:
        """The end of a column's name for lengths, which are in nm or pixels."""
        return "nm" if self.is_known else "px"

    @property
    def area(self) -> str:
        """The end of a column's name for areas."""
        return "um2" if self.is_known else "px2"

    @property
    def volume(self) -> str:
        """The end of a column's name for volumes."""
        return "um3" if self.is_known else "px3"

    @property
    def unit_area(self) -> float:
        """What one of :attr:`length` squared is in that of areas."""
        return _UM2 if self.is_known else 1.0

    @property
    def unit_volume(self) -> float:
        """What one of :attr:`length` cubed is in that of volumes."""
        return _UM3 if self.is_known else 1.0


@dataclass(frozen=True)
class Units:
    """The scales of a stack, in the plane of its slices and in space.

    Parameters
    ----------
    plane : Scale
        Of a pixel (Y, X).
    space : Scale
        Of a voxel (Z, Y, X). Without the distance of slices it counts pixels, as if voxels were
        cubes, even where the plane's are known.
    """

    plane: Scale
    space: Scale

    @classmethod
    def of(cls, size: PixelSize | None) -> Units:
        """Choose the units for a pixel size; None: it is not known."""
        if size is None:
            return cls(Scale((1.0, 1.0), False), Scale((1.0, 1.0, 1.0), False))
        y, x = size.y, size.x
        if math.isclose(y, x, rel_tol=_SQUARE):
            y = x = math.sqrt(y * x)  # scikit-image takes equal sides alone for squares
        plane = Scale((y, x), True)
        if size.z is None:
            return cls(plane, Scale((1.0, 1.0, 1.0), False))
        return cls(plane, Scale((size.z, y, x), True))

    @property
    def has_square_pixels(self) -> bool:
        """Whether pixels are squares, of which alone perimeters are estimated."""
        return self.plane.sides[0] == self.plane.sides[1]


def size_doubt(
    labels: str, size: PixelSize | None, image: str, other: PixelSize | None, remedy: str
) -> str:
    """Question labels and an image whose pixels are of different sizes; empty where they agree.

    Parameters
    ----------
    labels, image : str
        What messages call them.
    size, other : PixelSize or None
        Of the labels, by which is measured, and of the image; None: it is not known.
    remedy : str
        What to do where the labels' is wrong.
    """
    if size is None or other is None:
        return ""
    pairs = [(size.z, other.z), (size.y, other.y), (size.x, other.x)]
    known = [(one, two) for one, two in pairs if one is not None and two is not None]
    if all(math.isclose(one, two, rel_tol=_SAME) for one, two in known):
        return ""
    mine, its = (" x ".join(f"{side:.4g}" for side in sides) for sides in zip(*known, strict=True))
    return (
        f"{labels} has pixels of {mine} nm and {image} of {its} nm: all is measured by the first. "
        f"Is it the image that the labels are of? {remedy}"
    )
