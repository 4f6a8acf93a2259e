"""Whether compressed bytes decode to more than they should, found without holding what they do."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

_STEP = 2**20  # bytes that are decoded at once
_FED = 2**16
# Decoded bytes for a compressed one, at most: as measured of blank ones, and a little more.
_RATIOS = {"gzip": 1100, "zlib": 1100, "lzma": 8000}
_DECODERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=47),  # of either kind
    "zlib": lambda: zlib.decompressobj(wbits=47),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}
# Where the decoded size stands in four bytes, the lowest first.
_HEADERS = {"blosc": 4, "lz4": 0, "szip": 0}
# By https://www.rfc-editor.org/rfc/rfc8878.
_ZSTD_MAGIC, _ZSTD_BLOCK = b"\x28\xb5\x2f\xfd", 2**17
_DICTIONARY_BYTES, _SIZE_BYTES = (0, 1, 2, 4), (0, 2, 4, 8)
_RAW, _RUN = 0, 1


def exceeds(codec: str, content: bytes, most: int) -> bool:
    """Return whether compressed bytes may decode to more than so many.

    A header is believed where the decoder believes it. What has none is decoded bit by bit, unless
    it is too short to become that much.

    Parameters
    ----------
    codec : str
        ``blosc``, ``lz4`` with its length before it, ``zstd``, ``gzip``, ``zlib``, ``bz2``,
        ``lzma``, or HDF5's ``szip``.
    content : bytes
        Damaged ones are not refused: their decoder does that.
    most : int
        In bytes.
    """
    if codec in _HEADERS:
        place = _HEADERS[codec]
        return int.from_bytes(content[place : place + 4], "little") > most
    if codec == "zstd":
        return any(size > most for size in _zstd_sizes(content))
    if not may_exceed(codec, len(content), most):
        return False
    return any(size > most for size in _sizes(codec, content))


def may_exceed(codec: str, size: int, most: int) -> bool:
    """Return whether some so many bytes could decode to more than ``most``, see :func:`exceeds`."""
    return codec not in _RATIOS or _RATIOS[codec] * size > most


def _sizes(codec: str, content: bytes) -> Iterator[int]:
    """Give how much is decoded so far, of one stream after another, until one is damaged."""
    place = size = 0
    try:
        while place < len(content):
            decoder = _DECODERS[codec]()
            while place < len(content) and not decoder.eof:
                fed: bytes | None = content[place : place + _FED]
                place += _FED
                while fed is not None:
                    size += len(decoder.decompress(fed, _STEP))
                    yield size
                    fed = _left_of(decoder)
            place = min(place, len(content))
            place -= len(decoder.unused_data)
    except (zlib.error, lzma.LZMAError, OSError):
        return


def _left_of(decoder: Any) -> bytes | None:
    """Give what to feed a decoder for the rest of what it was fed; None: there is none."""
    if decoder.eof:
        return None
    if hasattr(decoder, "needs_input"):
        return None if decoder.needs_input else b""
    return decoder.unconsumed_tail or None


def _zstd_sizes(content: bytes) -> Iterator[int]:
    """Give the most that is decoded so far: as recorded, else what the blocks can hold."""
    size, file = 0, io.BytesIO(content)
    while file.read(4) == _ZSTD_MAGIC and (flags := file.read(1)):
        is_single, has_checksum = bool(flags[0] & 0x20), bool(flags[0] & 4)
        file.seek((not is_single) + _DICTIONARY_BYTES[flags[0] & 3], io.SEEK_CUR)
        length = _SIZE_BYTES[flags[0] >> 6] or int(is_single)
        recorded = int.from_bytes(file.read(length), "little") + (256 if length == 2 else 0)
        if length:
            yield size + recorded
        blocks, is_last = 0, False
        while not is_last and len(header := file.read(3)) == 3:
            fields = int.from_bytes(header, "little")
            is_last, kind, stored = bool(fields & 1), fields >> 1 & 3, fields >> 3
            blocks += stored if kind in (_RAW, _RUN) else _ZSTD_BLOCK
            file.seek(1 if kind == _RUN else stored, io.SEEK_CUR)
            if not length:
                yield size + blocks
        size += recorded if length else blocks
        file.seek(4 * has_checksum, io.SEEK_CUR)
