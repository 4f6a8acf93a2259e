"""A stack in a folder of N5 or of Neuroglancer's precomputed."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.files.untrusted_files import is_inside
from training.formats.array_folders import (
    check_inner,
    check_path,
    read_lengths,
    read_object,
    transform_size,
)
from training.formats.chunked_stack import (
    ArrayStack,
    missing_library,
    none_fits,
    nothing_stored,
    several_fit,
    unreadable,
)
from training.formats.grey_axes import find_grey_axes
from training.formats.location import Location
from training.formats.pixel_size import PixelSize, nanometres
from training.formats.stack import Stack

_N5_AXES, _PRECOMPUTED_AXES = "xyzct", "xyzc"
_DOCUMENTS = {"attributes.json", "info", "provenance"}
_SMALLER = re.compile(r"s[1-9]\d*")
_LARGEST_ITEM = 8
_MOST_FOLDERS = 1000  # that are looked at for the only dataset


class TensorstoreStack(ArrayStack):
    """The slices of an N5 dataset, or of an image of Neuroglancer's precomputed at one scale.

    Both keep their axes as x, y and z. A group of N5 stands for its dataset ``s0``, or for the
    only dataset in it; a folder of precomputed for its first scale, or the one whose key is given.

    Parameters
    ----------
    location : Location
        The folder, and the dataset or the key in it.
    what : str
        What it should hold, for messages: "images" or "labels".

    Raises
    ------
    OtherImageError
        If it has several channels or times.
    UserError
        If tensorstore is not installed; if it is missing or damaged, leads out of its folder, or
        several datasets are in it; if its chunks are too large or too many.
    """

    def __init__(self, location: Location, what: str = "images") -> None:
        super().__init__()
        self.path, self.name = location.path, location.name
        try:
            import tensorstore
        except ImportError:
            kind, install = "an N5 or Neuroglancer folder", "napari-unet-mindspore[tensorstore]"
            raise missing_library(self.path, kind, "tensorstore", install) from None
        try:
            dataset = _find_dataset(location)
            self._axes = find_grey_axes(dataset.shape, dataset.axes, dataset.folder)
            if not _check_files(dataset, location.container):
                raise nothing_stored(self.path)
            array = tensorstore.open(dataset.spec, read=True, open=True).result()
            self._array = array[tensorstore.d[:].translate_to[0]]
        except UserError:
            raise
        except Exception as error:  # tensorstore raises many kinds
            raise unreadable(self.path, error) from error
        self.shape, self.dtype = self._axes.shape, array.dtype.numpy_dtype
        self.depth = self._axes.depth(dataset.chunks)
        self.pixel_size = dataset.pixel_size
        self.check_size()
        size = math.prod(dataset.chunks) * self.dtype.itemsize
        self.check_chunks(self._axes.plane(dataset.chunks), size)
        self._smaller = [location.within(folder) for folder in dataset.smaller]

    @cached_property
    def levels(self) -> tuple[Stack, ...]:
        """This stack, and those of the same image at its smaller sizes."""
        return (self, *map(TensorstoreStack, self._smaller))


@dataclass(frozen=True)
class _Dataset:
    """What the metadata say of an array.

    Parameters
    ----------
    folder : Path
        Of its chunks.
    spec : dict
        What tensorstore opens.
    shape, chunks : tuple of int
        Along its axes.
    axes : str
        A letter each.
    pixel_size : PixelSize or None
    smaller : list of Path
        The same image at smaller sizes.
    is_sharded : bool
        Whether a file holds many chunks.
    """

    folder: Path
    spec: dict[str, Any]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    axes: str
    pixel_size: PixelSize | None
    smaller: list[Path]
    is_sharded: bool = False


def _find_dataset(location: Location) -> _Dataset:
    check_inner(location)
    info = read_object(location.container / "info", location.container)
    if info is not None and location.container.suffix.lower() != ".n5":
        return _find_scale(location, info)
    return _find_n5(location)


def _find_scale(location: Location, info: dict[str, Any]) -> _Dataset:
    """Find the scale of precomputed that is meant: the first one, or that of a key."""
    container, scales = location.container, info["scales"]
    keys = [scale["key"] for scale in scales]
    for key in keys:
        check_path(key)
    if location.inner not in ("", *keys) or not keys:
        raise none_fits(location.path, [container / key for key in keys])
    index = keys.index(location.inner) if location.inner else 0
    scale, channels = scales[index], info["num_channels"]
    x, y, z = (float(length) for length in scale["resolution"])
    return _Dataset(
        container / keys[index],
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": _files(container),
            "scale_index": index,
        },
        (*read_lengths(scale["size"], 0), *read_lengths([channels], 1)),
        (*read_lengths(scale["chunk_sizes"][0], 1), channels),
        _PRECOMPUTED_AXES,
        PixelSize.of(z, y, x),
        [] if location.inner else [container / key for key in keys[1:]],
        is_sharded=scale.get("sharding") is not None,
    )


def _find_n5(location: Location) -> _Dataset:
    """Find the dataset of N5 that is meant: itself, a group's largest, or the only one in it."""
    container, folder = location.container, location.container / location.inner
    if _is_dataset(folder, container):
        return _describe_n5(folder, container, [])
    if _is_dataset(folder / "s0", container):
        names = (f"s{index}" for index in range(1, _MOST_FOLDERS))
        sizes = [folder / name for name in names if (folder / name).is_dir()]
        return _describe_n5(folder / "s0", container, sizes)
    found = list(_datasets_in(folder, container))
    if not found:
        raise none_fits(location.path, list(_datasets_in(container, container)))
    if len(found) > 1:
        raise several_fit(location.path, found, "datasets")
    return _find_n5(location.within(found[0]))


def _is_dataset(folder: Path, container: Path) -> bool:
    return "dimensions" in (read_object(folder / "attributes.json", container) or {})


def _datasets_in(folder: Path, container: Path) -> Iterator[Path]:
    """Find the datasets below a folder, and of those of one image the group."""
    waiting, most = [folder], _MOST_FOLDERS
    while waiting and most:
        most -= 1
        current = waiting.pop()
        if _is_dataset(current, container) or _is_dataset(current / "s0", container):
            yield current
        elif current.is_dir():
            inside = (path for path in current.iterdir() if path.is_dir() and not path.is_symlink())
            waiting += sorted(inside, reverse=True)


def _describe_n5(folder: Path, container: Path, smaller: list[Path]) -> _Dataset:
    attributes = read_object(folder / "attributes.json", container) or {}
    shape = read_lengths(attributes["dimensions"], 0)
    return _Dataset(
        folder,
        {"driver": "n5", "kvstore": _files(folder)},
        shape,
        read_lengths(attributes["blockSize"], 1),
        _N5_AXES[: len(shape)],
        _n5_pixel_size(folder, container),
        smaller,
    )


def _n5_pixel_size(folder: Path, container: Path) -> PixelSize | None:
    """Find the pixel size of a dataset: its own, or its group's times what it is reduced by."""
    own = read_object(folder / "attributes.json", container) or {}
    if (size := transform_size(own)) is not None:
        return size
    for current in (folder, *folder.parents):
        if not current.is_relative_to(container):
            break
        attributes = read_object(current / "attributes.json", container) or {}
        sizes = attributes.get("pixelResolution", attributes.get("resolution"))
        if sizes is None:
            continue
        unit = attributes.get("units", attributes.get("unit", "nm"))
        if isinstance(sizes, dict):
            sizes, unit = sizes["dimensions"], sizes.get("unit")
        units = unit if isinstance(unit, list) else [unit] * 3
        factors = own.get("downsamplingFactors")
        if factors is None:
            is_unknown = current != folder and _SMALLER.fullmatch(folder.name)
            factors = [math.nan if is_unknown else 1] * 3
        x, y, z = (
            float(size) * float(factor) * (nanometres(str(unit)) or math.nan)
            for size, factor, unit in zip(sizes[:3], factors[:3], units[:3], strict=True)
        )
        return PixelSize.of(z, y, x)
    return None


def _files(folder: Path) -> dict[str, str]:
    return {"driver": "file", "path": f"{folder.absolute()}/"}


def _check_files(dataset: _Dataset, container: Path) -> bool:
    """Refuse what tensorstore would follow, wait for or load whole.

    Returns
    -------
    bool
        Whether there is any file but metadata.

    Raises
    ------
    OSError
        If there is a link out of the container, a pipe, a device or a file larger than a chunk
        can be.
    """
    most_bytes = 2 * _LARGEST_ITEM * math.prod(dataset.chunks) + 2**16
    waiting, count = [dataset.folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                    continue
                status = entry.stat()
                if entry.is_symlink() and not is_inside(Path(entry.path), container):
                    raise OSError(f"{entry.name} is a link out of the folder")
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(f"{entry.name} is not a regular file")
                if status.st_size > most_bytes and not dataset.is_sharded:
                    raise OSError(f"{entry.name} is larger than a chunk can be")
                count += entry.name not in _DOCUMENTS
    return count > 0
