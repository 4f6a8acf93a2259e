"""Opening a stack by where it is, whatever its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.files.untrusted_files import open_regular
from training.formats.chunked_stack import missing_library
from training.formats.file_formats import is_known_as_other, other_format
from training.formats.location import Location, is_array_folder, locate
from training.formats.stack import Stack
from training.formats.tif_stack import TifStack

_TIF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_DM = (b"\0\0\0\x03", b"\0\0\0\x04")
_TIF_ENDINGS = (".tif", ".tiff")
_DM_ENDINGS = (".dm3", ".dm4")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM")
_MRC_STAMP = slice(208, 212)
_MRC_ENDINGS = (".mrc", ".mrcs", ".rec", ".st", ".ali", ".map")


def open_stack(path: str | Path, what: str = "images") -> Stack:
    """Open a stack to read it slice by slice.

    Libraries of formats other than TIF are imported when they are used.

    Parameters
    ----------
    path : str or Path
        A TIF; a picture, or a folder of slices; an MRC, HDF5 or DM file; a folder of Zarr, N5 or
        Neuroglancer's precomputed. What is inside a file or folder follows it:
        ``a.h5/volumes/raw``, ``a.zarr/1``.
    what : str
        What it should hold, for messages and to choose among several: "images" or "labels".

    Raises
    ------
    OtherImageError
        If it is an image that has colours, channels, times or slices that differ.
    UserError
        If it is missing, damaged, or of no format that is read.
    """
    location = locate(Path(path))
    if location.container.is_dir():
        return _open_folder(location, what)
    return _open_file(location, what)


def list_stacks(folder: Path) -> list[Path]:
    """List the images of a folder where each is a stack by itself; else none.

    Raises
    ------
    UserError
        If one is damaged, or there are no images, or some of several kinds.
    """
    if is_array_folder(folder):
        return []
    from training.formats.slice_files import list_slices

    files = list_slices(folder)
    for file in files:
        with open_stack(file) as stack:
            if len(stack) == 1:
                return []
    return files


def _open_folder(location: Location, what: str) -> Stack:
    if not is_array_folder(location.container):
        from training.formats.slice_files import SliceFiles, list_slices

        return SliceFiles(location.path, list_slices(location.path, what))
    if _is_zarr(location.container):
        try:
            from training.formats.zarr_folders.zarr_stack import ZarrStack
        except ImportError:
            raise missing_library(location.path, "a Zarr folder", "zarr", "zarr") from None
        return ZarrStack(location, what)
    from training.formats.tensorstore_stack import TensorstoreStack

    return TensorstoreStack(location, what)


def _is_zarr(folder: Path) -> bool:
    names = ("zarr.json", ".zgroup", ".zarray")
    return folder.suffix.lower() == ".zarr" or any((folder / name).exists() for name in names)


def _open_file(location: Location, what: str) -> Stack:
    beginning, ending = _read_beginning(location.container), location.container.suffix.lower()
    if not beginning.startswith(_TIF):
        if beginning.startswith(_HDF5):
            from training.formats.hdf5_stack import Hdf5Stack

            return Hdf5Stack(location, what)
        is_named_mrc = ending in _MRC_ENDINGS and beginning and not is_known_as_other(beginning)
        if beginning[_MRC_STAMP] == b"MAP " or is_named_mrc:
            from training.formats.mrc_stack import MrcStack

            return MrcStack(location.path)
        if beginning.startswith(_DM) and ending in _DM_ENDINGS:
            from training.formats.dm_stack import DmStack

            return DmStack(location.path)
        if beginning.startswith(_PICTURES):
            from training.formats.slice_files import SliceFiles

            return SliceFiles(location.path, [location.path])
        if beginning and ending not in _TIF_ENDINGS:
            raise other_format(location.path, beginning)
    return TifStack(location.path, what)


def _read_beginning(path: Path) -> bytes:
    """Read the first bytes of a file; none where it can't be read, which its reader reports."""
    try:
        with open_regular(path) as file:
            return file.read(256)
    except OSError:
        return b""


def read_stack(path: str | Path, what: str = "images") -> NDArray[Any]:
    """Read all slices of a stack.

    Parameters
    ----------
    path, what
        As :func:`open_stack`.

    Returns
    -------
    array (Z, Y, X)
        Of the stack's dtype.

    Raises
    ------
    UserError
        As :func:`open_stack`, and for damaged data, and NaN or infinite pixels.
    """
    with open_stack(path, what) as stack:
        pages = np.empty(stack.shape, stack.dtype)
        for index, page in enumerate(stack):
            pages[index] = page
        return pages
