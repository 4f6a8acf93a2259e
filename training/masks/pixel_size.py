"""Reads the size of a TIF's pixels from what ImageJ, OME or any other program recorded."""

from __future__ import annotations

import logging
import math
import re
import struct
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from training.stacks.tif_structure import open_tif

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
# What tifffile, the XML parser and this module raise for damaged metadata.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    ElementTree.ParseError,
    struct.error,
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PixelSize:
    """Nanometres a pixel along each axis; ``z`` is None where only the plane's are known."""

    z: float | None
    y: float
    x: float


def read_pixel_size(path: str | Path) -> PixelSize | None:
    """Read the pixel size in nanometres that a TIF gives; None if it gives none.

    OME metadata go first, then ImageJ's, then the resolution tags.

    Raises
    ------
    UserError
        If the file can't be opened, or is not a TIF.
    """
    try:
        size = _read(path)
    except DAMAGED as error:  # an unknown size, as if there were no metadata
        _log.info("The pixel size in %s can't be read: %s", path, error)
        return None
    if size is None or not all(_is_length(side) and side <= LARGEST for side in (size.y, size.x)):
        return None
    return size if size.z is None or _is_length(size.z) else PixelSize(None, size.y, size.x)


def nanometres(unit: str) -> float | None:
    """Find the nanometres of a unit that a program or a person wrote; None if it isn't a length."""
    written = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), unit)
    # Its compatible form has one sign for micro and one for angstrom, of the two that there are.
    name = unicodedata.normalize("NFKC", written).strip().strip(".").lower()
    return NANOMETRES.get(name, NANOMETRES.get(name.removesuffix("s")))


def _is_length(length: float) -> bool:
    return SMALLEST <= length < math.inf


def _read(path: str | Path) -> PixelSize | None:
    with open_tif(Path(path)) as file:
        if file.is_ome and file.ome_metadata:
            return _from_ome(file.ome_metadata)
        if file.is_imagej:
            return _from_imagej(file)
        return _from_tags(file, _tag_unit(file))


def _from_ome(xml: str) -> PixelSize | None:
    images = tifffile.xml2dict(xml)["OME"]["Image"]
    pixels = (images[0] if isinstance(images, list) else images)["Pixels"]
    x, y, z = (_ome_length(pixels, axis) for axis in "XYZ")
    return PixelSize(z, y, x) if x and y else None


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
    return PixelSize(abs(spacing) or None, size.y, size.x)


def _from_tags(file: tifffile.TiffFile, factor: float | None) -> PixelSize | None:
    """Read the resolution tags; ``factor`` is the nanometres of the unit that they count in."""
    x, y = (_resolution(file, name) for name in ("XResolution", "YResolution"))
    if not (factor and x and y):
        return None
    return PixelSize(None, factor / y, factor / x)


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
