"""A stack in a Zarr folder: a plain array, or an image of OME-Zarr at one of its sizes."""

from __future__ import annotations

import asyncio
import math
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import LocalStore

from training.errors import UserError
from training.files.decoded_sizes import exceeds
from training.files.untrusted_files import open_regular
from training.formats.array_folders import check_inner, check_inside, size_along, transform_size
from training.formats.chunked_stack import (
    LARGEST_SLAB,
    ArrayStack,
    decodes_to_too_much,
    list_paths,
    most_decoded,
    most_stored,
    nothing_stored,
    several_fit,
    unreadable,
)
from training.formats.grey_axes import GreyAxes, find_grey_axes
from training.formats.location import Location
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.formats.stack import Stack
from training.formats.tif_structure import OtherImageError
from training.formats.zarr_folders.array_layout import ArrayLayout
from training.formats.zarr_folders.chunk_codec import ChunkCodec
from training.formats.zarr_folders.multiscales import Level, find_label_note, find_multiscales
from training.formats.zarr_folders.nodes import DOCUMENTS, Node
from training.stacks.sparse_labels import LabelNote

_MOST_FOLDERS = 1000  # that are looked at for the only array
_NUMBERED = re.compile(r"|dim_\d+")  # what xarray calls axes without names


class ZarrStack(ArrayStack):
    """The slices of a Zarr array, version 2 or 3, or of an OME-Zarr image, 0.4 or 0.5.

    A group of OME-Zarr stands for the largest size of its image, another for the only image or
    array in it that is a stack. A group with labels of its own is not taken for labels: they are
    named, to choose one.

    Parameters
    ----------
    location : Location
        The folder, and the group or array in it.
    what : str
        What it should hold: "images" or "labels".

    Raises
    ------
    OtherImageError
        If it has colours, channels, times or other axes, or does not hold numbers.
    UserError
        If it is missing or damaged, leads out of its folder, or several stacks are in it; if its
        codecs are unusual, or its chunks too large or too many.
    """

    def __init__(self, location: Location, what: str = "images") -> None:
        super().__init__()
        self.path, self.name = location.path, location.name
        try:
            image = _find_image(location, what)
            node, layout = image.node, ArrayLayout.of(image.node)
            self._axes = _find_axes(image, layout)
            self.shape, self.dtype = self._axes.shape, layout.dtype
            self.depth = self._axes.depth(layout.chunks)
            self.pixel_size, self.offset = image.pixel_size, image.offset
            self.label_note = image.note
            self.check_size()
            self.check_chunks(self._axes.plane(layout.chunks), layout.chunk_bytes)
            if not _has_file(node.folder, depth=self._axes.ndim + 1):
                raise nothing_stored(self.path)
            self._array = _open_array(node, location.container, layout)
            self._codec = self._find_codec(layout)
        except UserError:
            raise
        except Exception as error:  # zarr raises many kinds
            raise unreadable(self.path, error) from error
        self._smaller = [location.within(folder) for folder in image.smaller]

    def read_slab(self, start: int, stop: int) -> NDArray[Any]:
        """Read slices (Z, Y, X), of the array's dtype; errors as :class:`ArrayStack`."""
        chunk = self._read_chunk(start, stop)
        return super().read_slab(start, stop) if chunk is None else chunk

    def _find_codec(self, layout: ArrayLayout) -> ChunkCodec | None:
        """Give what decodes slices that are in one chunk: of several, Zarr reads many at once."""
        plane = self._axes.plane(layout.chunks)
        if any(side > chunk for side, chunk in zip(self.shape[1:], plane, strict=True)):
            return None
        try:
            return ChunkCodec(self._array)
        except ValueError:
            return None

    def _read_chunk(self, start: int, stop: int) -> NDArray[Any] | None:
        """Read slices that are in one chunk (Z, Y, X); None: only Zarr can."""
        array, codec = self._array, self._codec
        if array is None or codec is None:
            return None
        begin, *others = self._axes.chunk_places(array.chunks, start, stop)
        place = tuple(first // side for first, side in zip(begin, array.chunks, strict=True))
        content = None if others else array.store.read(array.metadata.encode_chunk_key(place))
        if content is None:  # a chunk of the value that missing ones have
            return None
        inside = tuple(slice(end - first) for end, first in zip(array.shape, begin, strict=True))
        z = self._axes.places[0]
        first = 0 if z is None else begin[z]
        return self._axes.read(codec.decode(content)[inside], start - first, stop - first)

    @cached_property
    def levels(self) -> tuple[Stack, ...]:
        """This stack, and those of the same image at its smaller sizes."""
        return (self, *map(ZarrStack, self._smaller))


@dataclass(frozen=True)
class _Image:
    """An array, with what OME-Zarr says of it, and the smaller sizes of the same image."""

    node: Node
    level: Level | None = None
    smaller: tuple[Path, ...] = ()
    note: LabelNote | None = None

    @property
    def pixel_size(self) -> PixelSize | None:
        return _plain_pixel_size(self.node) if self.level is None else self.level.pixel_size

    @property
    def offset(self) -> Offset:
        return NO_OFFSET if self.level is None else self.level.offset


def _plain_pixel_size(node: Node) -> PixelSize | None:
    """Find what programs for EM write: lengths along the axes, in nanometres or other units."""
    transformed = transform_size(node.attributes)
    if transformed is not None:
        return transformed
    sizes = node.attributes.get("voxel_size", node.attributes.get("resolution"))
    units = node.attributes.get("units", "nm")
    if not isinstance(sizes, list):
        return None
    names = [name for name in ArrayLayout.of(node).names if name in "zyx"]
    axes = names if len(names) == len(sizes) else list("zyx"[-len(sizes) :])
    return size_along(axes, sizes, units if isinstance(units, list) else [units] * len(sizes))


def _find_image(location: Location, what: str) -> _Image:
    """Find what a location means: an array, the only image of a group, or the only one below."""
    container, folder = location.container, location.container / location.inner
    check_inner(location)
    node = Node.read(folder, container)
    if node is not None and node.is_array:
        return _of_array(node, container)
    if node is not None and find_multiscales(node):
        return _of_group(node, location, what)
    found = _stacks_in(folder, container)
    if not found:
        raise UserError(
            f"{location.path} holds no stack of slices.",
            f"There are: {list_paths(stacks)}."
            if (stacks := _stacks_in(container, container))
            else "",
        )
    if len(found) > 1:
        raise several_fit(location.path, found, "stacks")
    return _find_image(location.within(found[0]), what)


def _of_array(node: Node, container: Path) -> _Image:
    """Find the image that an array is a size of, in the groups around it."""
    for folder in node.folder.parents:
        if not folder.is_relative_to(container):
            break
        group, path = Node.read(folder, container), node.folder.relative_to(folder).as_posix()
        for levels in find_multiscales(group) if group else ():
            for level in levels:
                if group and level.path == path:
                    return _Image(node, level, note=find_label_note(group))
    return _Image(node)


def _of_group(group: Node, location: Location, what: str) -> _Image:
    container, images = location.container, find_multiscales(group)
    if len(images) > 1:
        largest = [group.folder / levels[0].path for levels in images]
        raise several_fit(location.path, largest, "images")
    labels = _stacks_in(group.folder / "labels", container) if what == "labels" else []
    if labels:
        raise UserError(
            f"{location.path} is an image that has labels of its own.",
            f"Give them: {list_paths(labels)}.",
        )
    (levels,) = images
    arrays = [
        (node, level)
        for level in levels
        if (node := Node.read(group.folder / level.path, container)) and node.is_array
    ]
    if not arrays or arrays[0][1] is not levels[0]:
        first = group.folder / levels[0].path
        raise UserError(f"{first} is not an array, but {group.folder} names it.", "Copy it again.")
    # The largest should be listed first, but not every program does that.
    arrays.sort(key=lambda array: math.prod(ArrayLayout.of(array[0]).shape), reverse=True)
    (node, level), *smaller = arrays
    return _Image(node, level, tuple(array.folder for array, _ in smaller), find_label_note(group))


def _stacks_in(folder: Path, container: Path) -> list[Path]:
    """Find the images and arrays below a folder that are stacks."""
    nodes = _read_nodes(folder, container) if folder.is_dir() else ()
    return [node.folder for node in nodes if find_multiscales(node) or _is_stack(node)]


def _read_nodes(folder: Path, container: Path) -> Iterator[Node]:
    """Read the groups and arrays in a folder, in the order of their names, down to the arrays.

    Only ``_MOST_FOLDERS`` folders are looked at.
    """
    waiting, most = [folder], _MOST_FOLDERS
    while waiting and most:
        most -= 1
        current = waiting.pop()
        node = Node.read(current, container)
        if node is not None:
            yield node
        if node is None or not (node.is_array or find_multiscales(node)):
            inside = (path for path in current.iterdir() if path.is_dir() and not path.is_symlink())
            waiting += sorted(inside, reverse=True)


def _is_stack(node: Node) -> bool:
    try:
        return node.is_array and bool(_find_axes(_Image(node), ArrayLayout.of(node)))
    except OtherImageError:
        return False


def _find_axes(image: _Image, layout: ArrayLayout) -> GreyAxes:
    names = layout.names if image.level is None else image.level.names
    if names and image.level is not None and len(names) != len(layout.shape):
        error = ValueError(f"its image has the axes {names!r:.50}, and it {len(layout.shape)}")
        raise unreadable(image.node.folder, error)
    says_nothing = all(map(_NUMBERED.fullmatch, names))
    return find_grey_axes(layout.shape, () if says_nothing else names, image.node.folder)


def _most_bytes(layout: ArrayLayout) -> int:
    """Find what a file may have, or is read of it at once: pixels may be stored in more bytes."""
    shard = math.prod(layout.shards) * layout.dtype.itemsize
    return most_stored(max(layout.chunk_bytes, min(shard, LARGEST_SLAB))) + layout.index_bytes


def _has_file(folder: Path, depth: int) -> bool:
    """Return whether anything but metadata lies in an array's folder."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif not entry.name.startswith(".") and entry.name != "zarr.json":
                return True
    return depth > 0 and any(_has_file(inner, depth - 1) for inner in folders)


def _open_array(node: Node, container: Path, layout: ArrayLayout) -> zarr.Array[Any]:
    """Open an array to read it and no more; none of its files may lead out of the container."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of codecs that Zarr 3 has no specification of
        store = _Files(node.folder, container, layout)
        return zarr.open_array(store, mode="r", zarr_format=2 if node.version == 2 else 3)


class _Files(LocalStore):
    """Regular files inside a folder: no links out of it, no pipes, no devices, no bombs.

    Parameters
    ----------
    root, container : Path
        The array, and the folder that none of its files may lead out of.
    layout : ArrayLayout
        What may be in its files.
    """

    def __init__(self, root: Path, container: Path, layout: ArrayLayout) -> None:
        super().__init__(root, read_only=True)
        self._container, self._layout = container, layout
        self._most_bytes = _most_bytes(layout)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        content = await asyncio.to_thread(self.read, key, byte_range)
        prototype = prototype or default_buffer_prototype()
        return None if content is None else prototype.buffer.from_bytes(content)

    def read(self, key: str, part: ByteRequest | None = None) -> bytes | None:
        """Read a file, or a part of it; None: it is missing.

        Raises
        ------
        OSError
            If it is not what may be there.
        """
        path = self.root / key
        try:
            check_inside(path, self._container)
            with open_regular(path) as file:
                size = file.seek(0, os.SEEK_END)
                start, stop = _bounds(part, size)
                if stop - start > self._most_bytes:
                    raise OSError(f"{path.name} is larger than what it may hold")
                file.seek(start)
                content = file.read(stop - start)
        except FileNotFoundError:
            return None
        if self._layout.codec and path.name not in DOCUMENTS:
            self._check_decoded(path.name, content, part)
        return content

    def _check_decoded(self, name: str, content: bytes, part: ByteRequest | None) -> None:
        """Refuse chunks that decode to more than they should, in a file or a part of one."""
        if part is None:
            chunks = self._layout.chunks_in(content)
        elif isinstance(part, RangeByteRequest) and len(content) != self._layout.table_bytes:
            chunks = iter([content])
        else:
            return
        most = most_decoded(self._layout.chunk_bytes)
        if any(exceeds(self._layout.codec, chunk, most) for chunk in chunks):
            raise decodes_to_too_much(name)


def _bounds(part: ByteRequest | None, size: int) -> tuple[int, int]:
    """Find where a part of so many bytes begins and ends."""
    if isinstance(part, RangeByteRequest):
        return min(part.start, size), min(part.end, size)
    if isinstance(part, OffsetByteRequest):
        return min(part.offset, size), size
    if isinstance(part, SuffixByteRequest):
        return max(0, size - part.suffix), size
    return 0, size
