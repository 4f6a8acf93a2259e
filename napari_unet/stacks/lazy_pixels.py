"""Pixels of a stack that are read from its file as they are looked at."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from training.formats.stack import Stack
from training.stacks.label_meaning import LabelReading
from training.stacks.sparse_labels import MEMBRANE
from training.stacks.stack_axes import as_stack

EDITABLE_BYTES = 512 * 2**20


def lazy_pixels(file: Stack) -> Any:
    """Map the pixels of a file where they lie in a row; else read them slice by slice.

    The file is closed as soon as it is no longer needed.

    Returns
    -------
    array (Z, Y, X), or (Y, X) of a single page
        With the file's dtype, in native byte order.
    """
    shape = file.shape if len(file) > 1 else file.shape[1:]
    mapped = file.mapped
    if mapped is not None:
        file.close()
        pixels = mapped.reshape(shape)
        if pixels.dtype.isnative:
            return pixels
        return _page_by_page(pixels).astype(file.dtype)
    stack = _lazy_stack(_SliceReader(file), file.shape, file.dtype)
    return stack if len(file) > 1 else stack[0]


class _SliceReader:
    """Reads a slice by its index; closes the file when no array needs it."""

    def __init__(self, file: Stack) -> None:
        self._read = file.read
        weakref.finalize(self, file.close)

    def __call__(self, index: int) -> NDArray[Any]:
        return self._read(index)


def lazy_membrane(data: Any, reading: LabelReading) -> Any:
    """Convert labels to a mask, page by page.

    Parameters
    ----------
    data : array (Z, Y, X) or (Y, X) of int or bool
    reading : LabelReading

    Returns
    -------
    dask array of uint8
        In the labels' shape: 1 = membrane.
    """
    return _page_by_page(data).map_blocks(
        lambda block: (reading.read(block) == MEMBRANE).astype(np.uint8), dtype=np.uint8
    )


def lazy_threshold(probability: Any, threshold: float) -> Any:
    """Convert a probability to a mask, page by page.

    Parameters
    ----------
    probability : array (Z, Y, X) or (Y, X) of float32
    threshold : float
        From which on a pixel is membrane.

    Returns
    -------
    dask array of uint8
        In the probability's shape: 1 = membrane.
    """
    return _page_by_page(probability).map_blocks(
        lambda block: (block >= threshold).astype(np.uint8), dtype=np.uint8
    )


def _page_by_page(pixels: Any) -> Any:
    """View an array as one of dask, which alone would first copy all of a mapped file."""
    if isinstance(pixels, da.Array):
        return pixels
    pages = as_stack(pixels)
    stack = _lazy_stack(pages.__getitem__, pages.shape, pages.dtype)
    return stack if pixels.ndim == 3 else stack[0]


class _BlockReader:
    """Reads the page of a block. dask's earlier versions would pickle all pixels for a token."""

    def __init__(self, read: Callable[[int], NDArray[Any]]) -> None:
        self._read = read
        self.token = uuid4().hex

    def __call__(self, block_id: tuple[int, ...]) -> NDArray[Any]:
        return self._read(block_id[0])[np.newaxis]

    def __dask_tokenize__(self) -> str:
        return self.token


def _lazy_stack(
    read: Callable[[int], NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Any:
    """Make a dask array (Z, Y, X) of pages that are read one at a time."""
    reader = _BlockReader(read)
    return da.map_blocks(
        reader,
        name=f"pages-{reader.token}",
        chunks=((1,) * shape[0], *((side,) for side in shape[1:])),
        meta=np.empty((0, 0, 0), dtype),
    )


def load_to_edit(labels: Any) -> Any:
    """Load labels into memory, where they can be painted on, unless there are too many.

    Parameters
    ----------
    labels : array (Z, Y, X) or (Y, X) of int or bool
        A mapped or a dask array.
    """
    return labels if labels.nbytes > EDITABLE_BYTES else np.array(labels)
