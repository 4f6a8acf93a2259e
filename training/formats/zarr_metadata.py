"""What the metadata of a Zarr folder say of its arrays, and of images with several levels.

Zarr 2 and 3, and OME-Zarr, whose images are groups of arrays that name each other. All of it may
have been written by anyone: no document is taken at its word, and none outside the folder is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.errors import UserError
from training.files.untrusted_files import is_count, is_inside, parse_json, read_document
from training.formats.chunked_stack import unreadable
from training.formats.location import Location
from training.formats.pixel_size import Offset, PixelSize, nanometres, read_offset
from training.formats.tif_structure import OtherImageError
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.stacks.sparse_labels import LabelNote

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
DOCUMENTS = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}
"""Files that are no chunks."""
CLASSES = "classes"
"""Where this package says in ``image-label`` what the values are, as :meth:`LabelClasses.parse`."""
_MOST_AXES = 32
_Lengths = tuple[float | None, ...]
_ZARR_3_DTYPE = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")


@dataclass(frozen=True)
class Node:
    """A group or an array of a Zarr folder.

    Parameters
    ----------
    folder : Path
        Where it is.
    document : dict
        What Zarr says of it.
    attributes : dict
        What others do.
    """

    folder: Path
    document: dict[str, Any]
    attributes: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, container: Path) -> Node | None:
        """Read a folder's metadata; None where it is neither a group nor an array.

        Parameters
        ----------
        folder, container : Path
            The folder, and the outermost Zarr folder, which it must lie in.

        Raises
        ------
        UserError
            If they are damaged, or lie outside of the container.
        """
        for name in ("zarr.json", ".zarray", ".zgroup"):
            if (document := read_object(folder / name, container)) is not None:
                attributes = (
                    document.get("attributes", {})
                    if name == "zarr.json"
                    else read_object(folder / ".zattrs", container) or {}
                )
                if not isinstance(attributes, dict):
                    raise unreadable(folder / name, ValueError("its attributes are no object"))
                return cls(folder, document, attributes)
        return None

    @property
    def is_array(self) -> bool:
        return self.document.get("node_type") == "array" or "dtype" in self.document

    @property
    def version(self) -> int:
        """Zarr's: 2 or 3."""
        return 3 if "node_type" in self.document else 2


def read_object(path: Path, container: Path) -> dict[str, Any] | None:
    """Read a JSON object in a folder; None where there is no file.

    Raises
    ------
    UserError
        If it is damaged, or a link out of the container.
    """
    if not path.exists():
        return None
    try:
        check_inside(path, container)
        document = parse_json(read_document(path))
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return document


def check_inside(path: Path, container: Path) -> None:
    """Refuse links that lead out of a folder.

    Raises
    ------
    OSError
    """
    if not is_inside(path, container):
        raise OSError("it is a link out of the folder")


def check_inner(location: Location) -> None:
    """Refuse a location that leads out of its folder.

    Raises
    ------
    UserError
    """
    try:
        if location.inner:
            check_path(location.inner)
        check_inside(location.container / location.inner, location.container)
    except (OSError, ValueError) as error:
        raise unreadable(location.path, error) from error


def read_nodes(folder: Path, container: Path, most: int) -> Iterator[Node]:
    """Read the groups and arrays in a folder, in the order of their names, down to the arrays.

    Parameters
    ----------
    folder, container : Path
        The folder, and the outermost Zarr folder.
    most : int
        How many folders are looked at.
    """
    waiting = [folder]
    while waiting and most:
        most -= 1
        current = waiting.pop()
        node = Node.read(current, container)
        if node is not None:
            yield node
        if node is None or not (node.is_array or find_multiscales(node)):
            inside = (path for path in current.iterdir() if path.is_dir() and not path.is_symlink())
            waiting += sorted(inside, reverse=True)


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
    names = _names(node.attributes.get("_ARRAY_DIMENSIONS"))
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
    names = _names(document.get("dimension_names"))
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


def read_lengths(value: Any, least: int) -> tuple[int, ...]:
    """Check a list of lengths, of so much at least.

    Raises
    ------
    ValueError
    """
    is_list = isinstance(value, list) and len(value) <= _MOST_AXES
    if not (is_list and all(is_count(one) and one >= least for one in value)):
        raise ValueError(f"{str(value)[:50]} is not a shape")
    return tuple(value)


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


def _names(names: Any) -> tuple[str, ...]:
    if names is None or (isinstance(names, list) and all(map(_is_name, names))):
        return tuple((name or "").lower() for name in names or ())
    raise ValueError("the names of its axes are no texts")


def _is_name(name: Any) -> bool:
    return name is None or isinstance(name, str)


@dataclass(frozen=True)
class Level:
    """An array of an image at one of its sizes.

    Parameters
    ----------
    path : str
        From the image's group.
    names : tuple of str
        Of its axes; empty where they have none.
    nanometres : tuple of float or None
        Of a pixel along each axis.
    starts : tuple of float or None
        Where the first pixel is along each axis, in nanometres.
    """

    path: str
    names: tuple[str, ...]
    nanometres: tuple[float | None, ...]
    starts: tuple[float | None, ...]

    @property
    def pixel_size(self) -> PixelSize | None:
        return PixelSize.of(*self._along_zyx(self.nanometres))

    @property
    def offset(self) -> Offset:
        return read_offset(*self._along_zyx(self.starts))

    def _along_zyx(self, lengths: tuple[float | None, ...]) -> Iterator[float | None]:
        known = dict(zip(self.names, lengths, strict=True))
        return (known.get(axis) for axis in "zyx")


def find_multiscales(node: Node) -> list[tuple[Level, ...]]:
    """Find a group's images by OME-Zarr: the levels of each, the largest first.

    Raises
    ------
    UserError
        If its metadata are damaged, or name paths outside of the group.
    """
    try:
        images = node.attributes.get("ome", node.attributes).get("multiscales", [])
        return [_levels(image) for image in images]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(node.folder, error, "The OME metadata of ") from error


def find_label_note(group: Node) -> LabelNote | None:
    """Find the classes that labels of this package say they have; None: they say none."""
    try:
        about = group.attributes.get("ome", group.attributes)["image-label"]
        classes = LabelClasses.parse(about[CLASSES])
    except (KeyError, TypeError, AttributeError, UserError):
        return None
    return LabelNote(LabelConvention.CLASSES, classes=classes) if classes else None


def _levels(image: Any) -> tuple[Level, ...]:
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", ())]
    names = _names([axis["name"] for axis in axes])
    units = [_unit(axis.get("unit")) for axis in axes]
    for dataset in image["datasets"]:
        check_path(dataset["path"])
    levels = tuple(
        Level(dataset["path"], names, *_place(units, image, dataset))
        for dataset in image["datasets"]
    )
    if not levels:
        raise ValueError("it has no datasets")
    return levels


def _unit(name: Any) -> float | None:
    return nanometres(name) if isinstance(name, str) else None


def check_path(path: Any) -> None:
    """Refuse a path that is not one into a folder.

    Raises
    ------
    ValueError
    """
    if not isinstance(path, str) or {"", ".", ".."} & set(path.split("/")) or "\0" in path:
        raise ValueError(f"{str(path)[:50]!r} is not a path in it")


def _place(units: list[float | None], image: Any, dataset: Any) -> tuple[_Lengths, _Lengths]:
    """Find how large pixels are, and where the first is, by the steps of a level and of all levels.

    Returns
    -------
    sizes, starts : tuple of float or None
        Along each axis, in nanometres.
    """
    steps = dataset.get("coordinateTransformations")
    sizes: list[float | None] = list(units) if steps else [None] * len(units)
    starts: list[float | None] = [unit and 0.0 for unit in units]
    for step in [*(steps or ()), *image.get("coordinateTransformations", ())]:
        if step["type"] == "scale":
            scale = _numbers_in(step, "scale", len(units))
            sizes = [size and size * one for size, one in zip(sizes, scale, strict=True)]
            starts = [start and start * one for start, one in zip(starts, scale, strict=True)]
        elif step["type"] == "translation":
            moved = zip(units, starts, _numbers_in(step, "translation", len(units)), strict=True)
            starts = [unit and (start or 0.0) + unit * one for unit, start, one in moved]
    return tuple(sizes), tuple(starts)


def _numbers_in(step: Any, name: str, count: int) -> list[float]:
    """Read the numbers of a step, one for each axis; NaN where they are in a file."""
    numbers = step.get(name, [math.nan] * count)
    if len(numbers) != count or not all(isinstance(one, int | float) for one in numbers):
        raise ValueError(f"{str(numbers)[:50]} is not a {name} of its axes")
    return [float(one) for one in numbers]
