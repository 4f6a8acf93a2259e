"""Pixels of a stack that are read from its file as they are looked at."""

from __future__ import annotations

import weakref
from typing import Any

import dask.array as da
import numpy as np

from training.label_convention import LabelConvention
from training.stacks.stack_file import StackFile
from training.stacks.training_pair import to_membrane

EDITABLE_BYTES = 512 * 2**20


def lazy_pixels(file: StackFile) -> Any:
    """Map the pixels of a file where they lie in a row; else decode them page by page.

    The file is closed as soon as it is no longer needed.

    Returns
    -------
    array (Z, Y, X), or (Y, X) of a single page
        With the file's dtype, in native byte order.
    """
    shape = file.shape if len(file) > 1 else file.shape[1:]
    series = file.series
    if series.dataoffset is not None and series.keyframe.is_final:
        dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
        file.close()
        pixels: Any = np.memmap(file.path, dtype, "r", series.dataoffset, shape)
        if dtype.isnative:
            return pixels
        return da.from_array(pixels, chunks=_page_chunks(shape)).astype(file.dtype)
    import zarr

    store = series.aszarr(chunkmode="page")
    weakref.finalize(store, file.close)
    return da.from_zarr(zarr.open(store, mode="r")).reshape(shape).astype(file.dtype)


def lazy_membrane(data: Any, convention: LabelConvention) -> Any:
    """Convert labels of a convention to a mask, page by page.

    Parameters
    ----------
    data : array (Z, Y, X) or (Y, X) of int or bool
    convention : LabelConvention

    Returns
    -------
    dask array of uint8
        In the labels' shape: 1 = membrane.
    """
    pixels = da.asarray(data, chunks=_page_chunks(data.shape))
    return pixels.map_blocks(
        lambda block: to_membrane(block, convention).astype(np.uint8), dtype=np.uint8
    )


def load_to_edit(labels: Any) -> Any:
    """Load labels into memory, where they can be painted on, unless there are too many.

    Parameters
    ----------
    labels : array (Z, Y, X) or (Y, X) of int or bool
        A mapped or a dask array.
    """
    return labels if labels.nbytes > EDITABLE_BYTES else np.array(labels)


def _page_chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(shape) - 2) + shape[-2:]
