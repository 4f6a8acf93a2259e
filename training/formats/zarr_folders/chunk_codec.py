"""Encoding and decoding a chunk of a Zarr array in the caller's thread.

Zarr itself takes its event loop and other threads for each chunk: several times the processor's
time for one of 1024 x 1024 pixels.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numcodecs
import numpy as np
import zarr
from numcodecs.abc import Codec
from numpy.typing import NDArray
from zarr.codecs import BytesCodec

_BLOSC_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
_LIKE_NUMCODECS = {"blosc", "gzip", "zstd"}  # codecs of Zarr 3


class ChunkCodec:
    """What the pixels of a chunk become in its file: its bytes, compressed or not.

    Parameters
    ----------
    array : zarr.Array
        Of numbers.

    Raises
    ------
    ValueError
        If only Zarr itself can do that: for filters, shards, other orders and rare codecs.
    """

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._shape, self._dtype = array.chunks, np.dtype(array.dtype)
        if array.filters or array.shards or not _has_plain_bytes(array):
            raise ValueError("its chunks are not their pixels' bytes, compressed")
        self._codecs = list(map(_find_codec, array.compressors))

    def encode(self, chunk: NDArray[Any]) -> bytes:
        """Encode a chunk: an array of the shape and dtype that the array's chunks have."""
        content: Any = np.ascontiguousarray(chunk)
        for codec in self._codecs:
            content = codec.encode(content)
        return bytes(content)

    def decode(self, content: bytes) -> NDArray[Any]:
        """Decode a chunk: an array of the shape and dtype that the array's chunks have.

        Raises
        ------
        Exception
            If it is damaged: each codec raises kinds of its own.
        """
        decoded: Any = content
        for codec in reversed(self._codecs):
            decoded = codec.decode(decoded)
        pixels = np.frombuffer(decoded, self._dtype)
        if pixels.size != math.prod(self._shape):
            raise ValueError("a chunk has another number of pixels")
        return pixels.reshape(self._shape)


def _has_plain_bytes(array: zarr.Array[Any]) -> bool:
    """Whether pixels are stored row by row, in this machine's byte order."""
    if array.metadata.zarr_format == 2:
        return array.metadata.order == "C" and np.dtype(array.dtype).isnative
    endian = array.serializer.endian if isinstance(array.serializer, BytesCodec) else "unknown"
    return endian is None or getattr(endian, "value", endian) == sys.byteorder


def _find_codec(compressor: Any) -> Codec:
    """Give numcodecs' codec, which Zarr 2 has itself, and which that of Zarr 3 stands for."""
    if isinstance(compressor, Codec):
        return compressor
    described = compressor.to_dict()
    name = described["name"]
    if name not in _LIKE_NUMCODECS:
        raise ValueError(f"its chunks are encoded by {name}")
    options = dict(described["configuration"])
    if name == "blosc":
        options["shuffle"] = _BLOSC_SHUFFLES[options["shuffle"]]
        del options["typesize"]
    return numcodecs.get_codec({"id": name, **options})
