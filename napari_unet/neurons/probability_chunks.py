"""The probability of a stack in a Zarr folder, of which blocks and what lies around are read."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from training.formats.chunked_stack import unreadable
from training.masks.chunk_files import ChunkFiles


class ProbabilityChunks:
    """Reads parts of slices from chunks that are not compressed; may be pickled.

    Of a chunk it reads the rows that are asked for. Zarr itself reads all of it, and takes its
    event loop and other threads: ten times the processor's time for a block and a pixel around it.

    Parameters
    ----------
    folder : Path
        A Zarr array (Z, Y, X) of float32 in chunks of one slice.

    Attributes
    ----------
    shape : tuple of int
        (Z, Y, X)
    """

    def __init__(self, folder: Path) -> None:
        array = zarr.open_array(folder, mode="r")
        self._folder, self._files = folder, ChunkFiles(array, folder)
        self._dtype, self._chunk = array.dtype, array.chunks[1:]
        self.shape = array.shape

    def __getitem__(self, place: tuple[int, slice, slice]) -> NDArray[np.float32]:
        """Read a part (Y, X) of a slice; both of its sides have a start and a stop.

        Raises
        ------
        UserError
            If a chunk of it is missing, damaged, or can't be read.
        """
        index, *sides = place
        page = np.empty([side.stop - side.start for side in sides], np.float32)
        for rows, columns in product(*map(_cut, sides, self._chunk)):
            here = tuple(
                slice(part.start - side.start, part.stop - side.start)
                for part, side in zip((rows, columns), sides, strict=True)
            )
            page[here] = self._read(index, rows, columns)
        return page

    def _read(self, index: int, rows: range, columns: range) -> NDArray[np.float32]:
        """Read a part (Y, X) of a slice within a chunk."""
        height, width = self._chunk
        path = self._files.path(index, (rows, columns))
        top, left = rows.start % height, columns.start % width
        try:
            start = top * width * self._dtype.itemsize
            pixels = np.fromfile(path, self._dtype, len(rows) * width, offset=start)
            page = pixels.reshape(len(rows), width)
        except (OSError, ValueError) as error:
            raise unreadable(self._folder, error) from error
        return page[:, left : left + len(columns)]


def _cut(side: slice, length: int) -> list[range]:
    """Cut a side of a part where chunks of some length end."""
    inner = range(side.start // length * length + length, side.stop, length)
    edges = [side.start, *inner, side.stop]
    return [range(start, stop) for start, stop in pairwise(edges)]
