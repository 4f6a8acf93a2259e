"""How a Zarr array lies in its chunks, checked before anything is decoded."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.errors import UserError
from training.formats.array_folders import read_lengths
from training.formats.chunked_stack import unreadable
from training.formats.tif_structure import OtherImageError
from training.formats.zarr_folders.nodes import Node, axis_names

# numcodecs has others, such as pickle, which runs what a file says.
_NUMBERS = {"delta", "fixedscaleoffset", "quantize", "astype", "bitround", "packbits", "shuffle"}
_COMPRESSORS = {"blosc", "zlib", "gzip", "bz2", "lzma", "lz4", "zstd"}
_CHECKSUMS = {"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"}
_CODECS = _NUMBERS | _COMPRESSORS | _CHECKSUMS
_CODECS_INSIDE = {"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c"} | {
    f"numcodecs.{name}" for name in _CODECS
}
_AFTER_COMPRESSION = {"crc32c", "fletcher32"}  # which leave its beginning as it is
_MOST_FILTERS = 3  # each may make pixels eight times as large
_LZMA_WITHOUT_HEADER = 3
_SHARDS = "sharding_indexed"
_TABLES = (["bytes"], ["bytes", "crc32c"])  # ways to store where the chunks of a file are
_ABSENT = 2**64 - 1
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_FILTER_DTYPES = {"dtype", "astype", "encode_dtype", "decode_dtype"}
_ZARR_3_DTYPE = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")


@dataclass(frozen=True)
class ArrayLayout:
    """How an array lies in its chunks.

    Parameters
    ----------
    shape, chunks : tuple of int
        Of the array, and of what is decoded at once.
    shards : tuple of int
        Of the files, which may hold several chunks.
    dtype : dtype
        In native byte order.
    names : tuple of str
        Of its axes; empty where they have none.
    codec : str
        What compresses a chunk; empty: nothing does.
    table_bytes : int
        Length of the table that says where a file's chunks are; 0: a file is a chunk.
    is_table_first : bool
        Whether it is at the beginning of a file, not at its end.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...]
    dtype: np.dtype[Any]
    names: tuple[str, ...]
    codec: str
    table_bytes: int = 0
    is_table_first: bool = False

    @classmethod
    def of(cls, node: Node) -> ArrayLayout:
        """Check what an array's metadata say, before anything is decoded.

        Raises
        ------
        OtherImageError
            If it does not hold numbers.
        UserError
            If its codecs are not plain ones of numbers, or its metadata are damaged.
        """
        try:
            layout = _layout_2(node) if node.version == 2 else _layout_3(node)
            if not len(layout.shape) == len(layout.chunks) == len(layout.shards):
                raise ValueError("its chunks have other axes than itself")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise unreadable(node.folder, error, "The metadata of ") from error
        return layout

    @property
    def chunk_bytes(self) -> int:
        """What a chunk takes in memory, with the table of its file's other chunks."""
        return math.prod(self.chunks) * self.dtype.itemsize + self.index_bytes

    @property
    def index_bytes(self) -> int:
        """What the table of a file's chunks takes."""
        return 16 * math.prod(self.shards) // math.prod(self.chunks)

    def chunks_in(self, file: bytes) -> Iterator[bytes]:
        """Give the chunks of a whole file as they are stored."""
        if not self.table_bytes:
            yield file
            return
        table = file[: self.table_bytes] if self.is_table_first else file[-self.table_bytes :]
        places = np.frombuffer(table, "<u8", len(table) // 16 * 2).reshape(-1, 2).tolist()
        yield from (file[start : start + length] for start, length in places if start != _ABSENT)


def _layout_2(node: Node) -> ArrayLayout:
    document = node.document
    dtype = _dtype(node, document["dtype"], _DTYPE)
    filters, compressor = document.get("filters") or [], document.get("compressor")
    codecs = [*filters, compressor] if compressor else filters
    found = _check_codecs(node, [(codec["id"], codec) for codec in codecs], _CODECS)
    for codec in codecs:
        for key in _FILTER_DTYPES & codec.keys():
            _dtype(node, codec[key], _DTYPE)
    chunks = read_lengths(document["chunks"], 1)
    names = axis_names(node.attributes.get("_ARRAY_DIMENSIONS", node.attributes.get("axis_names")))
    return ArrayLayout(read_lengths(document["shape"], 0), chunks, chunks, dtype, names, found)


def _layout_3(node: Node) -> ArrayLayout:
    document = node.document
    dtype = _dtype(node, document["data_type"], _ZARR_3_DTYPE)
    if document.get("storage_transformers"):  # which zarr would pass over
        raise ValueError("it has storage transformers")
    shards = chunks = read_lengths(document["chunk_grid"]["configuration"]["chunk_shape"], 1)
    codecs = [_named_codec(codec) for codec in document["codecs"]]
    found = _check_codecs(node, codecs, _CODECS_INSIDE | {_SHARDS})
    table: dict[str, Any] = {}
    for name, inside in codecs:
        if name == _SHARDS:
            chunks = read_lengths(inside["chunk_shape"], 1)
            if found:
                raise _unusual(node, f"{_SHARDS} with {found}")
            found = _check_codecs(node, map(_named_codec, inside["codecs"]), _CODECS_INSIDE)
            table = _table(node, inside, 16 * math.prod(shards) // math.prod(chunks))
    names = axis_names(document.get("dimension_names") or node.attributes.get("axis_names"))
    shape = read_lengths(document["shape"], 0)
    return ArrayLayout(shape, chunks, shards, dtype, names, found, **table)


def _table(node: Node, sharding: dict[str, Any], size: int) -> dict[str, Any]:
    """Find where and how long the table of a file's chunks is, without its checksum ``size``."""
    codecs = [_named_codec(codec) for codec in sharding.get("index_codecs", _TABLES[-1])]
    names = [name for name, _ in codecs]
    if names not in _TABLES or codecs[0][1].get("endian", "little") != "little":
        raise _unusual(node, next((name for name in names if name not in _TABLES[-1]), names))
    is_first = sharding.get("index_location", "end") == "start"
    return {"table_bytes": size + 4 * (len(names) - 1), "is_table_first": is_first}


def _dtype(node: Node, name: Any, known: re.Pattern[str]) -> np.dtype[Any]:
    if not (isinstance(name, str) and known.fullmatch(name)):
        raise OtherImageError(
            f"{node.folder} has pixels of the type {str(name)[:50]!r}.",
            "Give an array of integers or floats.",
        )
    return np.dtype(name).newbyteorder("=")


def _named_codec(codec: Any) -> tuple[Any, dict[str, Any]]:
    """Give the name of a codec, and what else is said of it."""
    if isinstance(codec, str):
        return codec, {}
    return codec["name"], codec.get("configuration", {})


def _check_codecs(node: Node, codecs: Iterable[tuple[Any, dict[str, Any]]], known: set[str]) -> str:
    """Check codecs in the order in which they encode, each with what is said of it.

    Returns
    -------
    str
        The one that compresses; empty where none does.

    Raises
    ------
    UserError
        If one is not known, or they are in an order in which what they decode has no bounds.
    """
    found, filters = "", 0
    for name, configuration in codecs:
        if name not in known:
            raise _unusual(node, name)
        kind = name.removeprefix("numcodecs.")
        filters += kind in _NUMBERS
        is_late = found and (
            kind not in _AFTER_COMPRESSION or configuration.get("location", "end") != "end"
        )
        is_raw = kind == "lzma" and configuration.get("format") == _LZMA_WITHOUT_HEADER
        if is_late or is_raw or filters > _MOST_FILTERS:
            raise _unusual(node, f"{kind} after {found}" if is_late else name)
        found = kind if kind in _COMPRESSORS else found
    return found


def _unusual(node: Node, codec: Any) -> UserError:
    return UserError(
        f"{node.folder} is stored by the codec {str(codec)[:50]!r}, which is not read.",
        "Store it by one of Zarr's usual codecs, such as blosc or zstd.",
    )
