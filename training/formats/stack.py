"""A stack of grey slices in some file or folder: what every format gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.stacks.scaling import check_pixels
from training.stacks.sparse_labels import LabelNote


class Stack(ABC):
    """Grey slices that are read one by one. Use it in a ``with`` statement.

    One 2-D image is a stack of one slice. A slice is an array (Y, X) of the pixels as people see
    them, 0 is black, in native byte order. Threads may read slices together.

    Attributes
    ----------
    path : Path
        Where it is, as it was named: a file, a folder, or what is inside one (``a.h5/raw``).
    name : str
        What results and layers that are made of it are called.
    shape : tuple of int
        (Z, Y, X).
    dtype : dtype
        Of the slices.
    pixel_size : PixelSize or None
        As it records it.
    offset : Offset
        Where it begins, as it records it.
    label_note : LabelNote or None
        What labels say of themselves.
    """

    path: Path
    name: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_size: PixelSize | None = None
    offset: Offset = NO_OFFSET
    label_note: LabelNote | None = None

    @property
    def mapped(self) -> NDArray[Any] | None:
        """The pixels (Z, Y, X) of :attr:`dtype`, in a file's byte order, where they lie in one."""
        return None

    @property
    def levels(self) -> tuple[Stack, ...]:
        """The same image at its sizes, the largest first, which is this stack."""
        return (self,)

    @property
    def doubt(self) -> str:
        """Why it may not be one whole stack, in a sentence; empty where it looks like one."""
        return ""

    @abstractmethod
    def read(self, index: int) -> NDArray[Any]:
        """Read a slice (Y, X) of :attr:`dtype` that may have NaN or infinite pixels, to show them.

        Raises
        ------
        UserError
            If its data are damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the files; slices can't be read any more."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> NDArray[Any]:
        image = self.read(index)
        check_pixels(image, f"Slice {index} of {self.path}")
        return image

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
