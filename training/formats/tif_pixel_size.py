"""Reads the size of a TIF's pixels from what ImageJ, OME or any other program recorded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import tifffile

from training.formats.instrument_sizes import DAMAGED, find_instrument_size
from training.formats.pixel_size import INCH, NANOMETRES, PixelSize, nanometres

_log = logging.getLogger(__name__)


def find_pixel_size(file: tifffile.TiffFile, path: Path) -> PixelSize | None:
    """Find the pixel size that an open TIF gives; None if it gives none.

    OME metadata go first, then ImageJ's, then what a microscope recorded, then the resolution tags.
    """
    try:
        if file.is_ome and file.ome_metadata:
            return _from_ome(file.ome_metadata)
        if file.is_imagej:
            return _from_imagej(file)
        return find_instrument_size(file) or _from_tags(file, _tag_unit(file))
    except DAMAGED as error:  # an unknown size, as if there were no metadata
        _log.info("The pixel size in %s can't be read: %s", path, error)
        return None


def _from_ome(xml: str) -> PixelSize | None:
    images = tifffile.xml2dict(xml)["OME"]["Image"]
    pixels = (images[0] if isinstance(images, list) else images)["Pixels"]
    x, y, z = (_ome_length(pixels, axis) for axis in "XYZ")
    return PixelSize.of(z, y, x)


def _ome_length(pixels: dict[str, Any], axis: str) -> float | None:
    length = pixels.get(f"PhysicalSize{axis}")
    factor = nanometres(str(pixels.get(f"PhysicalSize{axis}Unit", "µm")))
    return float(length) * factor if length and factor else None


def _from_imagej(file: tifffile.TiffFile) -> PixelSize | None:
    metadata = file.imagej_metadata or {}
    unit = str(metadata.get("unit", ""))
    factor, depth = nanometres(unit), nanometres(str(metadata.get("zunit", unit)))
    size = _from_tags(file, factor)
    if size is None:
        return None
    spacing = float(metadata.get("spacing", 0)) * (depth or 0)
    return PixelSize.of(abs(spacing), size.y, size.x)


def _from_tags(file: tifffile.TiffFile, factor: float | None) -> PixelSize | None:
    """Read the resolution tags; ``factor`` is the nanometres of the unit that they count in."""
    x, y = (_resolution(file, name) for name in ("XResolution", "YResolution"))
    if not (factor and x and y):
        return None
    return PixelSize.of(None, factor / y, factor / x)


def _resolution(file: tifffile.TiffFile, name: str) -> float | None:
    tag = file.pages.first.tags.get(name)
    if tag is None or len(tag.value) != 2 or 0 in tag.value:
        return None
    pixels, units = tag.value
    return float(pixels) / float(units)


def _tag_unit(file: tifffile.TiffFile) -> float | None:
    """Find the nanometres of the resolution tags' unit: by the TIFF standard inches if unsaid."""
    tag = file.pages.first.tags.get("ResolutionUnit")
    unit = int(tag.value) if tag is not None else 2
    return {2: INCH, 3: NANOMETRES["cm"]}.get(unit)
