"""Writing an OME-Zarr chunk by chunk, by one process after the other until it is whole.

It grows as ``NAME.partial.zarr`` beside its place, and is renamed when all of it is there. A chunk
that is there is whole, because its file is brought to the disk under another name first.
"""

from __future__ import annotations

import asyncio
import glob
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_files import write_atomically
from training.files.atomic_folders import move_folder, replacing_folder
from training.files.file_locks import hold_lock, take_lock
from training.formats.chunked_stack import unreadable
from training.masks.pyramid import halve
from training.masks.shares import WHOLE, Share
from training.masks.stack_writer import report_errors
from training.masks.zarr_image import RECORD, ZarrImage

Window = tuple[range, range]  # rows and columns of a slice (Y, X)
_BEGINNING_SECONDS = 600.0  # in which another share has looked at the stack, and begun


class ZarrChunks:
    """An image that is written in chunks, in any order, by many threads.

    Parameters
    ----------
    image : ZarrImage
        What it will be, and where.

    Attributes
    ----------
    folder : Path
        Where it is until it is whole.
    """

    def __init__(self, image: ZarrImage) -> None:
        self._image = image
        inner = image.path.relative_to(image.container).name
        name = f"{image.container.stem}{'-' if inner else ''}{inner}.partial.zarr"
        self.folder = image.container.with_name(name)
        self._arrays: list[zarr.Array[Any]] = []

    def check(self) -> None:
        """Refuse what can't be written.

        Raises
        ------
        UserError
            As :func:`zarr_image.check_zarr_output`.
        """
        self._image.check()

    @contextmanager
    def hold(self, share: Share = WHOLE) -> Iterator[None]:
        """Keep other processes from writing it, or the same share of it.

        Raises
        ------
        UserError
            If another does, or has finished it meanwhile.
        """
        own = self._lock(f".{share.number}-of-{share.of}")
        with open_to_append(self._lock()) as whole, open_to_append(own) as part:
            is_whole = share == WHOLE
            if not (take_lock(whole, is_shared=not is_whole) and take_lock(part)):
                raise UserError(
                    f"Another process is writing {self.folder}.", "Wait for it, or end it."
                )
            self._check_division(share)
            self.check()
            yield
        if self.is_finished():
            for path in self.folder.parent.glob(f".{glob.escape(self.folder.name)}.*lock"):
                with suppress(OSError):  # another process has it open
                    path.unlink()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the processes of other shares from beginning or finishing it meanwhile.

        Raises
        ------
        UserError
            If another takes too long.
        """
        path = self.folder.with_name(f"{self.folder.name}.state")
        with hold_lock(path, patience=_BEGINNING_SECONDS):
            yield

    def is_finished(self) -> bool:
        """Whether another process has given it its name."""
        return not self.folder.exists()

    def read_record(self) -> dict[str, Any] | None:
        """Read what was said of how it is made, by whoever began it; None if nobody has.

        Raises
        ------
        UserError
            If that can't be read.
        """
        if not self.folder.exists():
            return None
        try:
            return dict(self._open_group().attrs[RECORD])  # type: ignore[arg-type]
        except Exception as error:  # zarr raises many kinds
            raise unreadable(self.folder, error) from error

    def open(self, record: dict[str, Any]) -> None:
        """Begin it if nobody has, or go on.

        Parameters
        ----------
        record : dict
            What a new one says of how it is made.

        Raises
        ------
        UserError
            If it can't be written.
        """
        with report_errors(self.folder):
            if not self.folder.exists():
                with replacing_folder(self.folder) as folder:
                    self._image.create(folder, record)
            # Else the absence of a chunk of zeros would look like one that is still to be done.
            with zarr.config.set({"array.write_empty_chunks": True}):
                group = self._open_group()
                levels = sorted(group.array_keys(), key=int)
                self._arrays = [group[level] for level in levels]  # type: ignore[misc]

    def missing_parts(self, index: int, parts: Iterable[Window]) -> list[Window]:
        """Find the parts of a slice, as large as it is, of which a chunk is missing.

        Each folder is listed once, because a network disk answers that about as soon as a question
        after one of its files.
        """
        listed = _Listing()
        return [part for part in parts if any(self._missing(0, index, part, listed.has))]

    def lacks_levels(self, index: int) -> bool:
        """Whether a chunk of a slice's smaller sizes is missing."""
        listed = _Listing()
        return any(
            any(self._missing(level, index, self._all(level), listed.has))
            for level in range(1, len(self._arrays))
        )

    def write(self, index: int, window: Window, page: NDArray[Any]) -> None:
        """Write the chunks that are missing of a part of a slice.

        Parameters
        ----------
        index : int
            The slice's.
        window : tuple of range
            Its rows and columns, which begin where a chunk does, and end so or with the slice.
        page : array (Y, X)
            Of any real dtype.

        Raises
        ------
        UserError
            If the disk is full.
        """
        top, left = window[0].start, window[1].start
        for rows, columns in self._missing(0, index, window):
            part = page[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
            self._put(0, index, rows, columns, part)

    def write_levels(self, index: int) -> None:
        """Write the chunks that are missing of a slice's smaller sizes; its full size is there.

        Raises
        ------
        UserError
            If the disk is full, or what was written can't be read.
        """
        for level in reversed(range(1, len(self._arrays))):
            for window in self._missing(level, index, self._all(level)):
                self._shrink(level, index, window)

    def delete_slice(self, index: int) -> None:
        """Delete the chunks of a slice.

        Raises
        ------
        UserError
            If they can't be deleted.
        """
        for level, array in enumerate(self._arrays):
            folder = self._image.group_in(self.folder) / str(level)
            counts = (
                -(-length // side)
                for length, side in zip(array.shape[1:], array.chunks[1:], strict=True)
            )
            for place in product([index], *map(range, counts)):
                with report_errors(self.folder):
                    (folder / array.metadata.encode_chunk_key(place)).unlink(missing_ok=True)

    def finish(self) -> None:
        """Give it its name.

        Raises
        ------
        UserError
            If it can't be renamed.
        """
        self._arrays = []
        move_folder(self.folder, self._image.place, self._image.container)
        self._image.list_added()

    def _lock(self, part: str = "") -> Path:
        return self.folder.with_name(f".{self.folder.name}{part}.lock")

    def _check_division(self, share: Share) -> None:
        """Refuse a share while another process does one of another number of shares."""
        for path in self.folder.parent.glob(f".{glob.escape(self.folder.name)}.*-of-*.lock"):
            of = path.name.removesuffix(".lock").rpartition("-")[2]
            if of == str(share.of):
                continue
            with open_to_append(path) as other:
                if take_lock(other):
                    continue
            raise UserError(
                f"Other processes are writing {self.folder} in {of} shares.",
                f"Give one of {of} shares too, or wait for them.",
            )

    def _open_group(self) -> zarr.Group:
        store = _WholeFiles(self._image.group_in(self.folder))
        return zarr.open_group(
            store, mode="r+", zarr_format=2 if self._image.version == "0.4" else 3
        )

    def _put(self, level: int, index: int, rows: range, columns: range, page: NDArray[Any]) -> None:
        place = index, slice(rows.start, rows.stop), slice(columns.start, columns.stop)
        with report_errors(self.folder):
            self._arrays[level][place] = np.ascontiguousarray(page, self._image.dtype)

    def _shrink(self, level: int, index: int, window: Window) -> NDArray[Any]:
        """Write a missing chunk of a smaller size and those it is made of; give its pixels.

        Only what is there already is read again, and few chunks are in memory.
        """
        finer = self._arrays[level - 1]
        rows, columns = (
            range(2 * wanted.start, min(2 * wanted.stop, length))
            for wanted, length in zip(window, finer.shape[1:], strict=True)
        )
        made_of = rows, columns
        missing = [] if level == 1 else list(self._missing(level - 1, index, made_of))
        if len(missing) == len(list(self._chunks(level - 1, made_of))):
            page = np.empty((len(rows), len(columns)), self._image.dtype)
        else:
            page = np.array(finer[index, rows.start : rows.stop, columns.start : columns.stop])
        for part in missing:
            inside = tuple(
                slice(found.start - whole.start, found.stop - whole.start)
                for found, whole in zip(part, made_of, strict=True)
            )
            page[inside] = self._shrink(level - 1, index, part)
        smaller = halve(page, self._image.is_label)
        self._put(level, index, *window, smaller)
        return smaller

    def _all(self, level: int) -> Window:
        _, height, width = self._arrays[level].shape
        return range(height), range(width)

    def _missing(
        self, level: int, index: int, window: Window, has: Callable[[Path], bool] = Path.exists
    ) -> Iterator[Window]:
        """Find the chunks within a part of a slice that are not there yet."""
        array = self._arrays[level]
        folder = self._image.group_in(self.folder) / str(level)
        for rows, columns in self._chunks(level, window):
            place = index, rows.start // array.chunks[1], columns.start // array.chunks[2]
            if not has(folder / array.metadata.encode_chunk_key(place)):
                yield rows, columns

    def _chunks(self, level: int, window: Window) -> Iterator[Window]:
        """Find the chunks of a part of a slice."""
        rows, columns = (
            [range(start, min(start + side, part.stop)) for start in part[::side]]
            for part, side in zip(window, self._arrays[level].chunks[1:], strict=True)
        )
        return product(rows, columns)


class _Listing:
    """Which files are there, of folders that are listed when they are first asked for."""

    def __init__(self) -> None:
        self._names: dict[Path, frozenset[str]] = {}

    def has(self, path: Path) -> bool:
        names = self._names.get(path.parent)
        if names is None:
            names = frozenset()
            with suppress(FileNotFoundError):
                names = frozenset(entry.name for entry in path.parent.iterdir())
            self._names[path.parent] = names
        return path.name in names


class _WholeFiles(LocalStore):
    """Files that are there whole or not at all, whatever ends the process or the machine."""

    async def set(self, key: str, value: Buffer) -> None:
        await asyncio.to_thread(self._write, self.root / key, value.to_bytes())

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
