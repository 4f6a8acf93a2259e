"""A dataset in an HDF5 file, as CREMI, SNEMI3D, ilastik, PanSeg and others write them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.files.decoded_sizes import exceeds, may_exceed
from training.formats.chunked_stack import (
    ChunkedStack,
    decodes_to_too_much,
    missing_library,
    most_decoded,
    most_stored,
    unreadable,
)
from training.formats.grey_axes import GreyAxes, find_grey_axes
from training.formats.location import Location
from training.formats.pixel_size import PixelSize, read_offset
from training.formats.tif_structure import OtherImageError

if TYPE_CHECKING:
    import h5py

# Names by which programs tell images from labels, where a file has both.
KNOWN_DATASETS = {
    "images": ("volumes/raw", "raw", "image", "images", "volume"),
    "labels": ("volumes/labels/neuron_ids", "label", "labels", "segmentation"),
}
# Filters that every HDF5 has; others are plug-ins, libraries that are loaded from wherever
# the environment says.
_LZF = "lzf"
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset"}
_FILTERS[32000] = _LZF  # which h5py brings
_COMPRESSORS = {"gzip", "szip", _LZF}
_SIZED, _LENGTH = {"nbit", "scaleoffset"}, 2  # filters that say how many pixels they make
_MOST_OBJECTS, _MOST_LINKS = 10_000, 16
_NM_PER_UM = 1e3


class Hdf5Stack(ChunkedStack):
    """A dataset of grey slices in an HDF5 file.

    Its pixel size is CREMI's ``resolution`` (z, y, x in nm) or ImageJ's ``element_size_um``, its
    offset CREMI's; its axes are those of ilastik's ``axistags``, else z, y, x. Links to other
    files, virtual datasets and filters that are plug-ins are refused.

    Parameters
    ----------
    location : Location
        The file, and the dataset in it; left out where only one fits, or one has a name by which
        programs call it.
    what : str
        "images" or "labels", to choose among several.

    Raises
    ------
    OtherImageError
        If it has colours, channels or times.
    UserError
        If h5py is not installed, the file is damaged, there is no such dataset, or several fit.
    """

    def __init__(self, location: Location, what: str = "images") -> None:
        super().__init__()
        self.path, path = location.path, location.container
        try:
            import h5py
        except ImportError:
            raise missing_library(path, "an HDF5 file", "h5py", "h5py") from None
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self._open(location, what)
        except UserError:
            self._file.close()
            raise
        except Exception as error:  # of damaged files h5py raises many kinds
            self._file.close()
            raise unreadable(location.path, error) from error

    def _open(self, location: Location, what: str) -> None:
        inner = location.inner or _choose(_list_datasets(self._file), location.container, what)
        self.name = Location(location.path, location.container, inner).name
        data = _follow(self._file, inner, self.path)
        import h5py

        if not isinstance(data, h5py.Dataset):
            inside = _list_datasets(data)
            raise UserError(
                f"{self.path} is a group, not a dataset.",
                f"Give a dataset in it: {_names(inside, location.container, inner)}."
                if inside
                else "",
            )
        self._codec = _check_storage(data, self.path)
        self._data = data
        self._axes = _axes(data, self.path)
        self.shape, self.dtype = self._axes.shape, data.dtype.newbyteorder("=")
        self.depth = self._axes.depth(data.chunks) if data.chunks else 1
        self.check_size()
        if data.chunks:
            self._chunk_bytes = math.prod(data.chunks) * data.dtype.itemsize
            self.check_chunks(self._axes.plane(data.chunks), self._chunk_bytes)
        self.pixel_size = _pixel_size(data)
        self.offset = read_offset(*(_lengths(data, "offset") or (None,) * 3))

    def read_slab(self, start: int, stop: int) -> NDArray[Any]:
        """Read slices (Z, Y, X), of the file's dtype."""
        if self._codec:
            for place in self._axes.chunk_places(self._data.chunks, start, stop):
                self._check_decoded(place)
        return self._axes.read(self._data, start, stop)

    def _check_decoded(self, place: tuple[int, ...]) -> None:
        """Refuse a chunk that decodes to more than it should, as HDF5 would not."""
        stored, most = self._data.id.get_chunk_info_by_coord(place), most_decoded(self._chunk_bytes)
        if stored.size > most_stored(self._chunk_bytes):
            raise OSError(f"the chunk at {place} is larger than what it may hold")
        if self._codec == _LZF or not may_exceed(self._codec, stored.size, most):
            return
        if exceeds(self._codec, self._data.id.read_direct_chunk(place)[1], most):
            raise decodes_to_too_much(f"the chunk at {place}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._slab = None
            self._file.close()


def find_datasets(path: Path) -> list[str]:
    """List the datasets of grey slices in an HDF5 file by their names, such as ``volumes/raw``.

    Raises
    ------
    UserError
        If h5py is not installed, or the file can't be read.
    """
    try:
        import h5py
    except ImportError:
        raise missing_library(path, "an HDF5 file", "h5py", "h5py") from None
    try:
        with h5py.File(path, "r") as file:
            return _list_datasets(file)
    except OSError as error:
        raise unreadable(path, error) from error


def find_dataset(path: Path, what: str) -> str:
    """Name the dataset that is read of an HDF5 file where none is given; see :class:`Hdf5Stack`.

    Raises
    ------
    UserError
        As :func:`find_datasets`, and if several fit, or none.
    """
    return _choose(find_datasets(path), path, what)


def _choose(names: list[str], path: Path, what: str) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        raise UserError(f"{path} has no dataset of grey slices.", "Give another file.")
    known = [name for name in KNOWN_DATASETS.get(what, ()) if name in names]
    if len(known) == 1:
        return known[0]
    raise UserError(
        f"{path} has {len(names)} datasets.", f"Give one of them: {_names(names, path)}."
    )


def _names(names: list[str], path: Path, group: str = "") -> str:
    """Name the first datasets of a file as they are given."""
    inner = [f"{group}/{name}" if group else name for name in names[:6]]
    return ", ".join(f"{path}/{name}" for name in inner) + (", ..." if len(names) > 6 else "")


def _list_datasets(group: h5py.Group) -> list[str]:
    """List the names of grey stacks in a group and its groups; links aren't followed."""
    import h5py

    found: list[str] = []
    seen: set[Any] = set()
    waiting = [("", group)]
    while waiting and len(seen) < _MOST_OBJECTS:
        prefix, current = waiting.pop(0)
        for name in current:
            if not isinstance(current.get(name, getlink=True), h5py.HardLink):
                continue
            item = current[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:  # a group that is in itself
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append((f"{prefix}{name}/", item))
            elif isinstance(item, h5py.Dataset) and _fits(item):
                found.append(f"{prefix}{name}")
    return found


def _fits(data: h5py.Dataset) -> bool:
    try:
        _axes(data, Path())
    except UserError:
        return False
    return bool(data.size > 0 and max(data.shape) > 1)


def _follow(file: h5py.File, inner: str, path: Path) -> Any:
    """Find what a name stands for, by links within the file alone."""
    import h5py

    parts, item, links = [*filter(None, inner.split("/"))], file, 0
    while parts:
        name = parts.pop(0)
        link = item.get(name, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None or name in (".", ".."):
            names = _list_datasets(file)
            remedy = f"It has: {_names(names, Path(file.filename))}." if names else ""
            raise UserError(f"{path} does not exist.", remedy)
        if isinstance(link, h5py.ExternalLink):
            raise UserError(f"{path} is a link to another file, {link.filename}.", "Give that one.")
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > _MOST_LINKS:
                raise UserError(f"{path} is a link that leads round in a ring.")
            parts = [*filter(None, link.path.split("/")), *parts]
            item = file if link.path.startswith("/") else item
            continue
        item = item[name]
    return item


def _check_storage(data: h5py.Dataset, path: Path) -> str:
    """Refuse pixels that lie in other files, or that only a plug-in can read.

    Returns
    -------
    str
        The filter that compresses them; empty where none does.
    """
    if data.is_virtual or data.external:
        raise UserError(
            f"The pixels of {path} lie in other files.", "Copy the dataset into a file of its own."
        )
    creation = data.id.get_create_plist()
    found = []
    for number in range(creation.get_nfilters()):
        code, _, values, name = creation.get_filter(number)
        kind = _FILTERS.get(code)
        found += [kind] if kind in _COMPRESSORS else []
        is_too_long = kind in _SIZED and values[_LENGTH] > math.prod(data.chunks)
        if is_too_long or len(found) > 1:
            raise unreadable(path, ValueError(f"its filter {kind} makes more than its pixels"))
        if kind is None:
            known = name.decode(errors="replace") or f"number {code}"
            raise UserError(
                f"{path} is compressed by a plug-in of HDF5, {known:.60}.",
                "Save it with gzip: h5repack -f GZIP=4 IN.h5 OUT.h5.",
            )
    return found[0] if found else ""


def _axes(data: h5py.Dataset, path: Path) -> GreyAxes:
    if data.dtype.kind not in "buif":
        raise OtherImageError(f"{path} has pixels of type {data.dtype}, not numbers.")
    return find_grey_axes(data.shape, _axis_names(data), path)


def _axis_names(data: h5py.Dataset) -> str:
    """Read the names of the axes by ilastik or HDF5's own labels; empty where there are none."""
    try:
        if "axistags" not in data.attrs:
            return "".join(dimension.label for dimension in data.dims).lower()
        tags = json.loads(data.attrs["axistags"])
        return "".join(axis["key"] for axis in tags["axes"]).lower()
    except (KeyError, TypeError, ValueError, RuntimeError):
        return ""


def _pixel_size(data: h5py.Dataset) -> PixelSize | None:
    lengths = _lengths(data, "resolution")
    if lengths is None:
        in_um = _lengths(data, "element_size_um")
        lengths = None if in_um is None else tuple(_NM_PER_UM * side for side in in_um)
    return None if lengths is None else PixelSize.of(*lengths)


def _lengths(data: h5py.Dataset, name: str) -> Any:
    """Read three numbers (z, y, x) of an attribute; None where it has no such."""
    try:
        numbers = np.asarray(data.attrs[name], float).ravel()
    except (KeyError, TypeError, ValueError, OSError):
        return None
    return tuple(numbers.tolist()) if numbers.shape == (3,) and np.isfinite(numbers).all() else None
