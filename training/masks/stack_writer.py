"""What the writers of all formats have in common: slices one at a time, whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.formats.chunked_stack import unreadable
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize


class StackWriter(ABC):
    """Writes a stack, one slice at a time. Use it in a ``with`` statement.

    The stack appears under its name when it is complete; before that, and after an error,
    whatever was there is kept.

    Parameters
    ----------
    path : Path
        Where it is written.
    shape : tuple of int
        (Z, Y, X) of the stack.
    dtype : dtype
        Data type of its pixels.
    pixel_size : PixelSize, optional
        Recorded in the file.
    offset : Offset
        Recorded where the pixel size is known and the format has a place for it.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: Any,
        pixel_size: PixelSize | None = None,
        offset: Offset = NO_OFFSET,
    ) -> None:
        self._path, self._shape, self._dtype = path, shape, np.dtype(dtype)
        self._pixel_size = pixel_size
        self._offset = NO_OFFSET if pixel_size is None else offset
        self._written = 0
        self._opened = self._open()

    def write(self, page: NDArray[Any]) -> None:
        """Append one slice (Y, X) of any real dtype, converted to the stack's.

        Raises
        ------
        ValueError
            If it has another shape than the slices of the stack.
        UserError
            If the disk is full.
        """
        if page.shape != self._shape[1:]:
            raise ValueError(f"A page of shape {page.shape} is not one of a stack {self._shape}.")
        with report_errors(self._path):
            self._append(np.ascontiguousarray(page, dtype=self._dtype))
        self._written += 1

    @abstractmethod
    def _append(self, page: NDArray[Any]) -> None:
        """Write the next slice (Y, X), number ``self._written``."""

    @abstractmethod
    def _open(self) -> AbstractContextManager[None]:
        """Begin under another name, and at the end give the stack its own."""

    def _check_whole(self) -> None:
        if self._written != self._shape[0]:
            raise ValueError(f"{self._written} pages are not a stack {self._shape}.")

    def __enter__(self) -> Self:
        self._opened.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)


@contextmanager
def report_errors(path: Path) -> Iterator[None]:
    """Report what the disk refuses, with the file's name.

    Raises
    ------
    UserError
    """
    try:
        yield
    except OSError as error:
        raise UnwritableError(path, error) from error


def split_path(path: Path, endings: tuple[str, ...]) -> tuple[Path, str] | None:
    """Split a path into a container with one of some endings, and what it names inside.

    Returns
    -------
    container, inner : Path and str
        ``a.h5`` and ``volumes/mask``; None where no part of the path ends so.
    """
    for step in (*reversed(path.parents), path):
        if step.suffix.lower() in endings:
            return step, path.relative_to(step).as_posix().removeprefix(".")
    return None


def lacking_library(path: Path, kind: str, library: str) -> UserError:
    """Say which library a format needs to be written.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it would be, such as "an HDF5 file".
    library : str
        Its name, and what pip installs.
    """
    return UserError(
        f"{path} would be {kind}, and {library} is not installed, which writes it.",
        f"Install it: pip install {library}.",
    )


def begun_otherwise(folder: Path, how: str) -> UserError:
    """Say that a folder of what is not whole yet can't be gone on with.

    Parameters
    ----------
    folder : Path
        The folder.
    how : str
        How it was begun, such as "with another model".
    """
    return UserError(
        f"{folder} was begun {how}.",
        "Give the same command as then to go on, or delete that folder to begin again.",
    )


def damaged_part(path: Path, error: Exception) -> UserError:
    """Say that a part of what is not whole yet can't be read, by what a library raised."""
    remedy = "Delete it, and give the same command: it is made again."
    return UserError(unreadable(path, error).problem, remedy)
