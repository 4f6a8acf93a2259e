"""Reads the size of a TIF's pixels from the tags that microscopes and their programs write.

Many of these write the resolution tags for a printer, or not at all.
"""

from __future__ import annotations

import re
import struct
from typing import Any
from xml.etree import ElementTree

import tifffile

from training.formats.pixel_size import NANOMETRES, PixelSize, nanometres

# What tifffile, the XML parser and readers of metadata raise for damaged ones.
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
_METRE = NANOMETRES["m"]
_FIBICS, _TESCAN = 51023, 50431
_GATAN_UNITS, _GATAN_SCALES = (65005, 65004, 65003), (65011, 65010, 65009)  # of z, y and x
_ZEISS_SCREEN = 1024  # pixels along x, of which Zeiss' numbers without names give the size
_TESCAN_SIDE = re.compile(r"PixelSize([XY])\s*=\s*([\d.eE+-]+)")


def find_instrument_size(file: tifffile.TiffFile) -> PixelSize | None:
    """Find the pixel size that a microscope, or a camera's program, recorded in an open TIF.

    A file that is not as wide as they say was cropped or resized since: its size is not known.
    """
    for read in (_thermo_fisher, _zeiss, _fibics, _tescan, _gatan, _olympus, _tvips):
        try:
            size = read(file)
        except DAMAGED:  # as if it were not there
            continue
        if size is not None:
            return size
    return None


def _thermo_fisher(file: tifffile.TiffFile) -> PixelSize | None:
    about = file.fei_metadata
    if not about or not _is_as_wide(file, about.get("Image", {}).get("ResolutionX")):
        return None
    scan = about["Scan"]
    return PixelSize.of(
        None, *(_METRE * float(scan[f"Pixel{side}"]) for side in ("Height", "Width"))
    )


def _zeiss(file: tifffile.TiffFile) -> PixelSize | None:
    about = file.sem_metadata
    if not about:
        return None
    if "ap_image_pixel_size" in about:
        _, number, unit = about["ap_image_pixel_size"]
        side = float(number) * (nanometres(unit) or 0)
    else:
        side = _METRE * float(about[""][3]) * _ZEISS_SCREEN / file.pages.first.imagewidth
    return PixelSize.of(None, side, side)


def _fibics(file: tifffile.TiffFile) -> PixelSize | None:
    """Read what Zeiss' Atlas writes: the field of view."""
    text = _text(file, _FIBICS)
    if not text:
        return None
    root = ElementTree.fromstring(text)  # noqa: S314 (expat limits what entities make)
    width, height = (int(root.findtext(f"Image/{side}", "")) for side in ("Width", "Height"))
    if not _is_as_wide(file, width):
        return None
    fields = [root.find(f"Scan/FOV_{axis}") for axis in "YX"]
    lengths = [
        float(field.text or "") * (nanometres(field.get("units", "um")) or 0)
        for field in fields
        if field is not None
    ]
    return PixelSize.of(None, lengths[0] / height, lengths[1] / width)


def _tescan(file: tifffile.TiffFile) -> PixelSize | None:
    sides = dict(_TESCAN_SIDE.findall(_text(file, _TESCAN)))
    return PixelSize.of(None, *(_METRE * float(sides[axis]) for axis in "YX")) if sides else None


def _gatan(file: tifffile.TiffFile) -> PixelSize | None:
    """Read what DigitalMicrograph writes into a TIF that it exports."""
    tags = file.pages.first.tags
    lengths = [
        abs(float(tags.valueof(scale, 0))) * (nanometres(_text(file, unit)) or 0)
        for scale, unit in zip(_GATAN_SCALES, _GATAN_UNITS, strict=True)
    ]
    return PixelSize.of(*lengths)


def _olympus(file: tifffile.TiffFile) -> PixelSize | None:
    """Read what Olympus' iTEM writes, in metres."""
    about = file.sis_metadata
    if not about:
        return None
    return PixelSize.of(None, *(_METRE * float(about[f"pixelsize{axis}"]) for axis in "yx"))


def _tvips(file: tifffile.TiffFile) -> PixelSize | None:
    """Read what EM-MENU writes, in nanometres."""
    about = file.tvips_metadata
    return (
        PixelSize.of(None, *(float(about[f"PixelSize{axis}"]) for axis in "YX")) if about else None
    )


def _is_as_wide(file: tifffile.TiffFile, width: Any) -> bool:
    """Whether an image is as wide as its instrument says, if it says so."""
    return width is None or int(width) == file.pages.first.imagewidth


def _text(file: tifffile.TiffFile, tag: int) -> str:
    """Read a tag of text; empty where there is none."""
    value = file.pages.first.tags.valueof(tag, "")
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip("\0 \r\n")
