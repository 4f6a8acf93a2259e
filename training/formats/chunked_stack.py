"""A stack of a format that keeps blocks of several slices, each of which is read but once."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError, raise_interrupt
from training.formats.grey_axes import GreyAxes
from training.formats.stack import Stack
from training.resources.limits import free_memory, memory_to_take

LARGEST_SLAB = 512 * 2**20  # bytes
MOST_SLICES = 1_000_000
MOST_CHUNKS = 200_000  # that slices are read from at once
_ALWAYS_FINE = 256 * 2**20  # bytes that any chunk may decode to
_SMALL = 16 * 2**20  # bytes that any machine has
_MOST_TIMES = 8  # what a chunk has may be stored in larger numbers
_MOST_NAMED = 8
_SMALLER = "Store it in smaller chunks"


class ChunkedStack(Stack):
    """Slices that lie in blocks. The last blocks that were read are kept for the next slice.

    Whoever derives from it gives :attr:`shape`, :attr:`dtype` and so on, and calls
    :meth:`check_size`.

    Attributes
    ----------
    depth : int
        Slices of a block.
    """

    depth: int = 1

    def __init__(self) -> None:
        self._lock = Lock()
        self._slab: NDArray[Any] | None = None
        self._decoded_size = 0  # of a chunk, in bytes
        self._start = 0

    @abstractmethod
    def read_slab(self, start: int, stop: int) -> NDArray[Any]:
        """Read slices (Z, Y, X), of the file's dtype; what it raises is reported as damage."""

    def check_size(self) -> None:
        """Refuse sizes that no stack has: metadata of a few bytes may declare any.

        Raises
        ------
        UserError
        """
        if not all(self.shape):
            raise UserError(f"{self.path} is empty: its shape is {self.shape}.")
        if len(self) > MOST_SLICES:
            raise UserError(f"{self.path} says that it has {len(self)} slices.", _DAMAGED)
        size = self.shape[1] * self.shape[2] * self.dtype.itemsize
        check_memory(f"A slice of {self.path}", size, "Cut it into smaller stacks")

    def check_chunks(self, plane: tuple[int, int], size: int) -> None:
        """Refuse chunks that are too large, or too many for a slice.

        Their size is checked again before each is decoded, because other programs take memory.

        Parameters
        ----------
        plane : (int, int)
            (Y, X) of a chunk.
        size : int
            Of what is decoded at once, in bytes.

        Raises
        ------
        UserError
        """
        self._decoded_size = size
        check_memory(f"A chunk of {self.path}", size, _SMALLER)
        sides = zip(self.shape[1:], plane, strict=True)
        count = math.prod(math.ceil(side / chunk) for side, chunk in sides)
        if count > MOST_CHUNKS:
            raise UserError(
                f"A slice of {self.path} is stored in {count} chunks.", "Store it in larger ones."
            )

    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of :attr:`dtype`, see :meth:`Stack.read`."""
        index = range(len(self))[index]
        page = self.shape[1] * self.shape[2] * self.dtype.itemsize
        depth = max(1, min(self.depth, LARGEST_SLAB // page))
        start = index - index % depth
        with self._lock:
            if self._slab is None or not self._start <= index < self._start + len(self._slab):
                self._slab = None  # before the next one takes memory
                if self._decoded_size > _SMALL:
                    check_memory(f"A chunk of {self.path}", self._decoded_size, _SMALLER)
                try:
                    slab = self.read_slab(start, min(start + depth, len(self)))
                    self._slab = np.asarray(slab, self.dtype)
                except UserError:
                    raise
                except Exception as error:  # the libraries' own are of many kinds
                    raise unreadable(self.path, error, f"Slice {index} of ") from error
                self._start = start
            return np.array(self._slab[index - self._start])


class ArrayStack(ChunkedStack):
    """A stack in an array of a library, whose axes are found.

    Whoever derives from it gives ``_array`` and ``_axes``.
    """

    _array: Any
    _axes: GreyAxes

    def read_slab(self, start: int, stop: int) -> NDArray[Any]:
        """Read slices (Z, Y, X), of the array's dtype, see :class:`ChunkedStack`.

        Raises
        ------
        UserError
            If the stack is closed.
        """
        if self._array is None:
            raise UserError(f"{self.path} is closed.")
        return self._axes.read(self._array, start, stop)

    def close(self) -> None:
        """Let go of the array."""
        self._array = None


_DAMAGED = "It may be damaged; copy it again."


def check_memory(what: str, size: int, remedy: str) -> None:
    """Refuse what takes more than half of the memory that is free now.

    Parameters
    ----------
    what : str
        What it is of which stack, such as "A slice of a.zarr".
    size : int
        In bytes.
    remedy : str
        What to do, but for using another machine.

    Raises
    ------
    UserError
    """
    if size > memory_to_take():
        raise UserError(
            f"{what} would take {size / 2**30:.1f} GiB of {free_memory() / 2**30:.1f} GiB "
            "of free memory.",
            f"{remedy}, or use a machine with more memory.",
        )


def most_decoded(size: int) -> int:
    """Give the most bytes that a chunk, which has so many, may decode to."""
    return max(_ALWAYS_FINE, _MOST_TIMES * size)


def most_stored(size: int) -> int:
    """Give the most bytes that a chunk, which has so many, may take in its file."""
    return 2 * size + 2**16


def decodes_to_too_much(part: str) -> OSError:
    """Say that a chunk is compressed from far more than it should have."""
    return OSError(f"{part} decodes to far more than its pixels")


def unreadable(path: Path, error: Exception, part: str = "") -> UserError:
    """Say that something of a file can't be read, by what a library raised.

    Raises
    ------
    KeyboardInterrupt
        If that is what the error hides.
    """
    raise_interrupt(error)
    reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    return UserError(
        f"{part}{path} can't be read: {reason:.300}.", "It may be damaged; copy it again."
    )


def nothing_stored(path: Path) -> UserError:
    """Say that an array has no chunks, whose pixels would all be its fill value."""
    return UserError(
        f"{path} has no chunks: none of its pixels is stored.",
        "Copy it again; if it was made so, fill it first.",
    )


def none_fits(path: Path, others: list[Path]) -> UserError:
    """Say that nothing at a path is a stack, and which others there are in its folder."""
    remedy = f"There are: {list_paths(others)}." if others else "Give another folder."
    return UserError(f"{path} holds no stack of slices.", remedy)


def several_fit(path: Path, found: list[Path], kind: str) -> UserError:
    """Say that more than one of a kind, such as "stacks", is in a folder."""
    return UserError(f"{path} holds {len(found)} {kind}.", f"Give one: {list_paths(found)}.")


def list_paths(paths: list[Path]) -> str:
    """List the first paths, as a person gives them."""
    named = ", ".join(map(str, paths[:_MOST_NAMED]))
    return named + (", ..." if len(paths) > _MOST_NAMED else "")


def missing_library(path: Path, kind: str, library: str, install: str) -> UserError:
    """Say which library a format needs.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it is, such as "an HDF5 file".
    library : str
        Its name.
    install : str
        What pip installs.
    """
    return UserError(
        f"{path} is {kind}, and {library} is not installed, which reads it.",
        f"Install it: pip install '{install}'.",
    )
