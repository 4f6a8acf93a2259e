"""The files of a Zarr array's chunks, each of a part of one slice: there whole, or not at all."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from training.files.atomic_files import write_atomically
from training.formats.zarr_folders.chunk_codec import ChunkCodec
from training.stacks.windows import Window

_MOST_KEPT = 32 * 2**20  # bytes of pixels


class ChunkFiles:
    """The chunks of an array (Z, Y, X), each one slice deep.

    Parameters
    ----------
    array : zarr.Array
        As of :class:`ChunkCodec`.
    folder : Path
        Its folder.

    Raises
    ------
    ValueError
        As of :class:`ChunkCodec`; if chunks are of several slices.

    Attributes
    ----------
    shape : tuple of int
        (Y, X) of its slices.
    """

    def __init__(self, array: zarr.Array[Any], folder: Path) -> None:
        if array.chunks[0] != 1:
            raise ValueError("its chunks are of several slices")
        self.shape: tuple[int, int] = array.shape[1], array.shape[2]
        self._chunk: tuple[int, int] = array.chunks[1], array.chunks[2]
        self._dtype, self._folder = array.dtype, str(folder)
        self._name = array.metadata.encode_chunk_key
        self._codec = ChunkCodec(array)

    def within(self, window: Window) -> Iterator[Window]:
        """Find the chunks of a part of a slice, which begins where one does."""
        rows, columns = (
            [range(start, min(start + side, part.stop)) for start in part[::side]]
            for part, side in zip(window, self._chunk, strict=True)
        )
        return product(rows, columns)

    def all(self) -> Iterator[Window]:
        """Find all chunks of a slice."""
        height, width = self.shape
        return self.within((range(height), range(width)))

    def path(self, index: int, window: Window) -> str:
        """Give the file of a slice's chunk, or of the one that some rows and columns are in."""
        row, column = (part.start // side for part, side in zip(window, self._chunk, strict=True))
        return f"{self._folder}/{self._name((index, row, column))}"

    def missing(
        self, index: int, window: Window, has: Callable[[str], bool] = os.path.exists
    ) -> Iterator[Window]:
        """Find the chunks within a part of a slice that are not there yet."""
        return (chunk for chunk in self.within(window) if not has(self.path(index, chunk)))

    def write(self, index: int, window: Window, page: NDArray[Any]) -> None:
        """Write a chunk as a whole.

        Parameters
        ----------
        index : int
            The slice's.
        window : tuple of range
            The chunk, as far as it is in the slice.
        page : array (Y, X)
            Its pixels, of the array's dtype.

        Raises
        ------
        OSError or UnwritableError
            If it can't be written.
        """
        if page.shape != self._chunk:
            height, width = page.shape
            whole = np.zeros(self._chunk, self._dtype)
            whole[:height, :width] = page
            page = whole
        path = Path(self.path(index, window))
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, self._codec.encode(page))

    def read(self, index: int, window: Window) -> NDArray[Any]:
        """Read a chunk that is there.

        Returns
        -------
        array (Y, X)
            Of the array's dtype, as far as it is in the slice.

        Raises
        ------
        Exception
            If it can't be read or is damaged, see :meth:`ChunkCodec.decode`.
        """
        page = self._codec.decode(Path(self.path(index, window)).read_bytes())[0]
        rows, columns = window
        pixels: NDArray[Any] = page[: len(rows), : len(columns)]
        return pixels

    def delete(self, index: int) -> None:
        """Delete the chunks of a slice that are there.

        Raises
        ------
        OSError
            If one can't be deleted.
        """
        for chunk in self.all():
            Path(self.path(index, chunk)).unlink(missing_ok=True)


class Listing:
    """Which files are there, of folders that are listed when they are first asked for."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        """Whether a file is there, or was when its folder was listed."""
        folder, _, name = path.rpartition("/")
        names = self._names.get(folder)
        if names is None:
            names = frozenset()
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                names = frozenset(entry.name for entry in entries)
            self._names[folder] = names
        return name in names


class KeptPages:
    """The pixels of the files that were written last, for who would read them again."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def keep(self, path: str, page: NDArray[Any]) -> None:
        """Keep a page, an array (Y, X) of any dtype; let go of the oldest where many are kept."""
        with self._lock:
            self._pages[path] = page
            self._bytes += page.nbytes
            while self._bytes > _MOST_KEPT:
                self._bytes -= self._pages.popitem(last=False)[1].nbytes

    def take(self, path: str) -> NDArray[Any] | None:
        """Give a page, an array (Y, X) of its dtype, and let go of it; None: it is not kept."""
        with self._lock:
            page = self._pages.pop(path, None)
            self._bytes -= 0 if page is None else page.nbytes
        return page
