"""Where a stack is: a file or folder, and what is meant inside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.files.untrusted_files import open_regular

HDF5_ENDINGS = (".h5", ".hdf5", ".hdf")
SLICE_ENDINGS = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")
"""Those of files that may be slices of a folder."""

FILE_ENDINGS = (
    *SLICE_ENDINGS,
    *(".mrc", ".mrcs", ".rec", ".st", ".ali", ".map", ".dm3", ".dm4"),
    *HDF5_ENDINGS,
)
"""Those of files that hold stacks."""

FOLDER_ENDINGS = (".zarr", ".n5", ".precomputed")
"""Those of folders of arrays."""


@dataclass(frozen=True)
class Location:
    """Where a stack is.

    Parameters
    ----------
    path : Path
        As it was named, such as ``a.h5/volumes/raw``.
    container : Path
        The file or folder of it that exists: ``a.h5``.
    inner : str
        The rest, with slashes: ``volumes/raw``; may be empty.
    """

    path: Path
    container: Path
    inner: str = ""

    @property
    def name(self) -> str:
        """What results and layers are called: ``a-volumes-raw``; ``b.01`` for ``b.01.ome.tif``."""
        is_plain = self.container.is_dir() and not is_array_folder(self.container)
        stem = self.container.name if is_plain else self.container.stem.removesuffix(".ome")
        return "-".join([stem, *filter(None, self.inner.split("/"))])

    def within(self, path: Path) -> Location:
        """Locate something else in the same container."""
        return Location(path, self.container, path.relative_to(self.container).as_posix())


def locate(path: Path) -> Location:
    """Find the file or folder that a path leads into: the first on its way that is a container.

    A path that leads nowhere is its own container.
    """
    for step in (*reversed(path.parents), path):
        if step.is_file() or is_array_folder(step):
            return Location(path, step, path.relative_to(step).as_posix().removeprefix("."))
    return Location(path, path)


def is_array_folder(path: Path) -> bool:
    """Return whether a folder is one of Zarr, of N5 or Neuroglancer's precomputed."""
    is_named = path.suffix.lower() in FOLDER_ENDINGS
    is_described = any((path / name).is_file() for name in _METADATA)
    return path.is_dir() and (is_named or is_described or _is_precomputed(path / "info"))


def is_slice_folder(path: Path) -> bool:
    """Return whether a folder holds slices, by their names, and is no folder of arrays."""
    if not path.is_dir() or is_array_folder(path):
        return False
    return any(file.suffix.lower() in SLICE_ENDINGS for file in path.glob("[!.]*"))


def _is_precomputed(info: Path) -> bool:
    """Return whether a file, whose name others may have, is Neuroglancer's."""
    try:
        with open_regular(info) as file:
            return b'"scales"' in file.read(_BEGINNING)
    except OSError:
        return False


_METADATA = ("zarr.json", ".zgroup", ".zarray", "attributes.json")
_BEGINNING = 2**16
