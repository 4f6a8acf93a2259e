"""Writing a stack in the format that its name says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import LabelConvention
from training.masks.hdf5_writer import HDF5_ENDINGS, Hdf5Writer, check_hdf5_output
from training.masks.mrc_writer import MRC_ENDINGS, MrcWriter, check_mrc_output
from training.masks.stack_writer import StackWriter, split_path
from training.masks.tif_writer import TIF_ENDINGS, TifWriter, check_output
from training.masks.zarr_image import ZARR_ENDINGS, ZarrImage, check_zarr_output
from training.masks.zarr_writer import ZarrWriter
from training.stacks.sparse_labels import LabelNote
from training.stacks.stack_axes import as_stack

if TYPE_CHECKING:
    from training.masks.zarr_chunks import ZarrChunks

LABEL_ENDINGS = (*TIF_ENDINGS, *ZARR_ENDINGS, *HDF5_ENDINGS)
"""Of the files and folders that masks and numbers are written to."""
IMAGE_ENDINGS = (*LABEL_ENDINGS, *MRC_ENDINGS)
"""Of those that probabilities are written to."""


def is_stack_name(path: Path) -> bool:
    """Whether a path names a stack in a format that is written."""
    return _ending_of(path) is not None


def is_there(path: Path) -> bool:
    """Whether a file, a Zarr folder, or a dataset of an HDF5 file is there.

    Raises
    ------
    UserError
        If an HDF5 file can't be read.
    """
    inside = split_path(path, HDF5_ENDINGS)
    if inside is not None:
        from training.formats.hdf5_stack import find_datasets  # not needed to write a TIF

        container, name = inside
        return container.is_file() and name in find_datasets(container)
    return path.is_dir() if is_zarr(path) else path.is_file()


def is_zarr(path: Path) -> bool:
    """Whether a path names an image or labels in a Zarr folder, which is written in any order."""
    return _ending_of(path) in ZARR_ENDINGS


def check_stack_output(path: Path, is_label: bool, overwrite: bool = False) -> None:
    """Refuse a stack that can't be written; call before any long work.

    Parameters
    ----------
    path : Path
        ``a.tif``, ``a.zarr``, ``a.zarr/labels/NAME``, ``a.h5/DATASET``, or ``a.mrc``.
    is_label : bool
        Whether it would hold a mask or numbers, not a probability.
    overwrite : bool
        Whether what is there may be replaced.

    Raises
    ------
    UserError
        If it has another ending, or as the check of its format.
    """
    ending = _ending_of(path)
    if ending in ZARR_ENDINGS:
        check_zarr_output(path, is_label, overwrite)
    elif ending in HDF5_ENDINGS:
        check_hdf5_output(path, overwrite)
    elif ending in MRC_ENDINGS:
        check_mrc_output(path, is_label, overwrite)
    elif ending in TIF_ENDINGS:
        check_output(path, overwrite)
    else:
        raise UserError(
            f"{path} is not named in a format that is written.",
            "End its name in .tif, .zarr or .h5/DATASET; that of a probability may end in .mrc.",
        )


def open_writer(
    path: Path,
    shape: tuple[int, int, int],
    dtype: Any,
    *,
    is_label: bool,
    compression: str | None = "zlib",
    pixel_size: PixelSize | None = None,
    offset: Offset = NO_OFFSET,
    note: str = "",
    overwrite: bool = False,
    ome_zarr: str = "0.5",
    classes: LabelClasses = NO_CLASSES,
) -> StackWriter:
    """Make the writer of the format that a name says.

    Parameters
    ----------
    path, shape, dtype, pixel_size, offset
        As :class:`StackWriter`. A TIF has no place for the offset.
    is_label : bool
        Whether the pixels are a mask or numbers, which have no mean.
    compression : str or None
        None: uncompressed pixels, where the format has a choice.
    note : str
        A line for a TIF's ImageDescription.
    classes : LabelClasses
        What the pixels are, which a TIF and OME-Zarr say.
    overwrite : bool
        Replace what is there.
    ome_zarr : str
        Version of OME-Zarr.

    Raises
    ------
    UserError
        As :func:`check_stack_output`.
    """
    check_stack_output(path, is_label, overwrite)
    ending = _ending_of(path)
    options: dict[str, Any] = {"pixel_size": pixel_size, "overwrite": overwrite}
    if ending in MRC_ENDINGS:
        return MrcWriter(path, shape, offset=offset, **options)
    options["compression"] = compression
    if ending in TIF_ENDINGS:
        if classes:
            note = LabelNote(LabelConvention.CLASSES, classes=classes).line()
        return TifWriter(path, shape, dtype, note=note, **options)
    options["offset"] = offset
    if ending in HDF5_ENDINGS:
        return Hdf5Writer(path, shape, dtype, **options)
    options |= {"is_label": is_label, "classes": classes}
    return ZarrWriter(path, shape, dtype, version=ome_zarr, **options)


def open_chunks(
    path: Path,
    shape: tuple[int, int, int],
    dtype: Any,
    *,
    ome_zarr: str = "0.5",
    **options: Any,
) -> ZarrChunks:
    """Make what writes an image or labels in a Zarr folder chunk by chunk, see :func:`is_zarr`.

    Parameters and errors as of :func:`open_writer`.
    """
    from training.masks.zarr_chunks import ZarrChunks  # zarr is not needed to write a TIF

    return ZarrChunks(ZarrImage(path, shape, dtype, version=ome_zarr, **options))


def write_stack(
    path: Path,
    stack: Any,
    dtype: Any,
    to_page: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray,
    **options: Any,
) -> None:
    """Write a whole stack, slice by slice.

    Parameters
    ----------
    path : Path
        The file or folder to write.
    stack : array (Z, Y, X) or (Y, X)
        May be a dask array, which is computed slice by slice.
    dtype : dtype
        Data type of the pages.
    to_page : callable
        Makes the page (Y, X) of a slice (Y, X).
    **options
        As of :func:`open_writer`.

    Raises
    ------
    UserError
        As :func:`open_writer`, before anything is written; while writing, if the disk is full.
    """
    slices = as_stack(stack)
    with open_writer(path, tuple(slices.shape), dtype, **options) as writer:
        for page in slices:
            writer.write(to_page(np.asarray(page)))


def _ending_of(path: Path) -> str | None:
    """Find the ending that says a stack's format, of the path or of what it leads into."""
    ending = path.suffix.lower()
    if ending in (*TIF_ENDINGS, *MRC_ENDINGS):
        return ending
    found = split_path(path, (*ZARR_ENDINGS, *HDF5_ENDINGS))
    return None if found is None else found[0].suffix.lower()
