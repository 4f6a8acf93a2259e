"""What a search for neurons keeps: arrays in files that are there whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numcodecs.zstd import Zstd
from numpy.lib import format as npy
from numpy.typing import NDArray

from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.zip_members import read_member
from training.formats.chunked_stack import unreadable
from training.masks.stack_writer import report_errors

Block = tuple[int, int]  # row and column of a block among those of a slice
Arrays = Mapping[str, NDArray[Any]]
_PLAIN, _ENCODED = ".npy", ".npy.zst"  # what members of a file are
# A quarter of the time that zlib takes, and two thirds of the bytes; array_files has zlib because
# its files are written on servers, too, which may be without numcodecs.
_CODEC = Zstd(level=1)


class SearchFiles:
    """The files of a search, by what they hold, the slice, and the block if they are of one.

    Parameters
    ----------
    folder : Path
        Made if it is missing.

    Raises
    ------
    UserError
        If it can't be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with report_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def has(self, kind: str, index: int, block: Block | None = None) -> bool:
        return self._path(kind, index, block).exists()

    def write(
        self, kind: str, index: int, block: Block | None = None, **arrays: NDArray[Any]
    ) -> None:
        """Write arrays.

        Parameters
        ----------
        kind, index, block
            Which file, see :class:`SearchFiles`.
        **arrays : arrays
            By their names, of any shape, and any dtype but object.

        Raises
        ------
        UserError
            If the disk is full, or refuses it.
        """
        path = self._path(kind, index, block)
        with report_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _encode(arrays))

    def delete(self, kind: str, index: int, block: Block | None = None) -> None:
        """Delete a file, if it is there.

        Raises
        ------
        UserError
            If it can't be deleted.
        """
        path = self._path(kind, index, block)
        with report_errors(path):
            path.unlink(missing_ok=True)

    def open(self, kind: str, index: int, block: Block | None = None) -> Arrays:
        """Open arrays, each of which is read when it is asked for, of the shape and dtype it has.

        Raises
        ------
        UserError
            Here or then, if they can't be read.
        """
        return _Arrays(self._path(kind, index, block))

    def read(self, kind: str, index: int, block: Block | None = None) -> dict[str, NDArray[Any]]:
        """Read arrays, of the shape and dtype they have; errors as :meth:`open`."""
        return dict(self.open(kind, index, block))

    def _path(self, kind: str, index: int, block: Block | None) -> Path:
        name = "whole" if block is None else "{}-{}".format(*block)
        return self._folder / kind / str(index) / f"{name}.npz"


def _encode(arrays: Arrays) -> bytes:
    """Encode arrays as an archive; floats as they are, because most of their bits are noise."""
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            npy.write_array(member, np.asanyarray(array), allow_pickle=False)
            if array.dtype.kind == "f":
                archive.writestr(f"{name}{_PLAIN}", member.getbuffer())
            else:
                archive.writestr(f"{name}{_ENCODED}", _CODEC.encode(member.getbuffer()))
    return content.getvalue()


class _Arrays(Arrays):
    """The arrays of a file, whose content is in memory, encoded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = ZipFile(io.BytesIO(path.read_bytes()))
            self._members = {
                name.removesuffix(_ENCODED).removesuffix(_PLAIN): name
                for name in self._archive.namelist()
            }
        except Exception as error:  # zipfile raises many kinds
            raise self._unreadable(error) from error

    def __getitem__(self, name: str) -> NDArray[Any]:
        member = self._members[name]
        try:
            content = read_member(self._archive, self._archive.getinfo(member))
            if member.endswith(_ENCODED):
                content = _CODEC.decode(content)
            found: NDArray[Any] = npy.read_array(io.BytesIO(content), allow_pickle=False)
        except Exception as error:  # zipfile, Zstandard and numpy raise many kinds
            raise self._unreadable(error) from error
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def _unreadable(self, error: Exception) -> UserError:
        remedy = "Delete this file, and give the same command: it is made again."
        return UserError(unreadable(self._path, error).problem, remedy)
