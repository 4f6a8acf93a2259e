"""Where the pixels of a layer lie, in nanometres, as files record it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pint
from numpy.typing import ArrayLike

from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize, read_offset

Attributes = dict[str, Any]
"""What napari hands to writers of a layer, by name."""


def pixel_size_of(attributes: Attributes) -> PixelSize | None:
    """Find the pixel size of a layer by its scale and units; None where a unit is not a length."""
    lengths = _nanometres(attributes, attributes.get("scale"))
    return None if lengths is None else PixelSize(*lengths)


def offset_of(attributes: Attributes) -> Offset:
    """Find where a layer begins by its translation; 0 where a unit is not a length."""
    lengths = _nanometres(attributes, attributes.get("translate"))
    return NO_OFFSET if lengths is None else read_offset(*lengths)


def _nanometres(
    attributes: Attributes, lengths: ArrayLike | None
) -> tuple[float | None, float, float] | None:
    """Convert the lengths along a layer's last axes, of a stack, to (z, y, x) in nanometres.

    z is None of a single slice.
    """
    units = attributes.get("units")
    if units is None or lengths is None:
        return None
    registry = pint.get_application_registry()
    axes = zip(np.asarray(lengths)[-3:], units[-3:], strict=True)
    quantities = [registry.Quantity(float(length), str(unit)) for length, unit in axes]
    if not all(quantity.is_compatible_with("nm") for quantity in quantities):
        return None
    *z, y, x = (float(quantity.to("nm").magnitude) for quantity in quantities)
    return z[0] if z else None, y, x
