"""Writes DM3 and DM4 files, which no library does: tags as DigitalMicrograph nests them.

The layout is that of https://www.er-c.org/cbb/info/dmformat.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

DATA_TYPES = {"i2": 1, "f4": 2, "u1": 6, "i4": 7, "i1": 9, "u2": 10, "u4": 11, "c8": 3}
_COLOURS = 23
_LONG, _DOUBLE, _USHORT, _BYTE, _ARRAY = 3, 7, 4, 10, 20


def write_dm(
    path: Path,
    pixels: np.ndarray,
    scales: tuple[float, ...],
    unit: str = "nm",
    version: int = 3,
    images: int = 1,
    has_thumbnail: bool = False,
) -> None:
    """Write an image or a stack; ``scales`` are those of x, y, and z if it has one.

    Before it, DigitalMicrograph writes a small copy in colours.
    """
    dimensions = [
        ("", [("Origin", 0.0), ("Scale", scale), ("Units", unit)])
        for scale in scales[: pixels.ndim]
    ]
    brightness = [("Origin", 0.0), ("Scale", 1.0), ("Units", "")]
    data = [
        ("Calibrations", [("Brightness", brightness), ("Dimension", dimensions)]),
        ("Data", pixels),
        ("DataType", DATA_TYPES[pixels.dtype.str[1:]]),
        ("Dimensions", [("", side) for side in pixels.shape[::-1]]),
        ("PixelDepth", pixels.dtype.itemsize),
    ]
    image = [("ImageData", data), ("ImageTags", []), ("Name", "stack")]
    small = [("Data", np.zeros((8, 8), "u4")), ("DataType", _COLOURS), ("PixelDepth", 4)]
    small += [("Dimensions", [("", 8), ("", 8)])]
    thumbnails = [("", [("ImageData", small), ("ImageTags", [])])] * has_thumbnail
    root: list[tuple[str, Any]] = [("ImageList", [*thumbnails, *[("", image)] * images])]
    root += [("Thumbnails", [("", [("ImageIndex", 0)])])] * has_thumbnail
    body = _group(root, version, is_root=True)
    path.write_bytes(
        struct.pack(">l", version) + _number(len(body), version) + struct.pack(">l", 1) + body
    )


def _number(value: int, version: int) -> bytes:
    return struct.pack(">q" if version == 4 else ">l", value)


def _group(tags: list[tuple[str, Any]], version: int, is_root: bool = False) -> bytes:
    content = b"".join(_tag(name, value, version) for name, value in tags)
    size = _number(len(content), version) if version == 4 and not is_root else b""
    return b"\1\0" + size + _number(len(tags), version) + content


def _tag(name: str, value: Any, version: int) -> bytes:
    is_group = isinstance(value, list)
    head = struct.pack(">BH", 20 if is_group else 21, len(name)) + name.encode()
    if is_group:
        return head + _group(value, version)
    content = b"%%%%" + _data(value, version)
    return head + (_number(len(content), version) if version == 4 else b"") + content


def _data(value: Any, version: int) -> bytes:
    def numbers(*values: int) -> bytes:
        return b"".join(_number(number, version) for number in values)

    if isinstance(value, str):
        return numbers(3, _ARRAY, _USHORT, len(value)) + value.encode("utf-16-le")
    if isinstance(value, np.ndarray):
        return numbers(3, _ARRAY, _BYTE, value.nbytes) + value.tobytes()
    if isinstance(value, float):
        return numbers(1, _DOUBLE) + struct.pack("<d", value)
    return numbers(1, _LONG) + struct.pack("<l", value)
