"""Writing an OME-Zarr chunk by chunk, by one process after the other until it is whole.

It grows as ``NAME.partial.zarr`` beside its place, and is renamed when all of it is there. A chunk
that is there is whole, because its file is brought to the disk under another name first.
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import zarr
from numpy.typing import NDArray

from training.errors import UserError
from training.files.append_files import append_whole, open_to_append
from training.files.atomic_files import UnwritableError
from training.files.atomic_folders import move_folder, replacing_folder
from training.files.file_locks import hold_lock, take_lock
from training.masks.chunk_files import ChunkFiles, KeptPages, Listing
from training.masks.pyramid import halve
from training.masks.shares import WHOLE, Share
from training.masks.stack_writer import begun_otherwise, damaged_part, report_errors
from training.masks.zarr_image import RECORD, ZarrImage, partial_folder
from training.stacks.windows import Window

_TURN_BYTES = 8
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
    turn : str
        By what the processes that help a holder know that it still holds it.
    """

    def __init__(self, image: ZarrImage) -> None:
        self._image = image
        self.folder = partial_folder(image.path)
        self.turn, self._is_helper = "", False
        self._levels: list[ChunkFiles] = []
        self._kept = KeptPages()

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
        is_whole, is_last = share == WHOLE, False
        try:
            with open_to_append(self._lock()) as whole, open_to_append(own) as part:
                if not (take_lock(whole, is_shared=not is_whole) and take_lock(part)):
                    raise UserError(
                        f"Another process is writing {self.folder}.", "Wait for it, or end it."
                    )
                is_last = is_whole
                self.turn = self._begin_turn(whole, share)
                self._check_division(share)
                self.check()
                yield
            is_last = True
        finally:
            if is_last and self.is_finished():  # or was refused before it was begun
                self.remove_locks()

    def remove_locks(self) -> None:
        """Delete the files of locks of what is whole, or was not begun."""
        for path in self.folder.parent.glob(f".{glob.escape(self.folder.name)}.*lock"):
            with suppress(OSError):  # another process has it open
                path.unlink()

    def help(self, turn: str) -> None:
        """Write for another process that holds it, as long as it does.

        Parameters
        ----------
        turn : str
            The holder's.

        Raises
        ------
        UserError
            Here or when it writes, if another disk is under that name, or the holder has ended.
        """
        self.turn, self._is_helper = turn, True
        self._check_turn()

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
            If that can't be read, or it was begun as something else.
        """
        if not self.folder.exists():
            return None
        try:
            return dict(self._open_group(self.folder).attrs[RECORD])  # type: ignore[arg-type]
        except (FileNotFoundError, KeyError) as error:
            how = "as another kind of result, or version of OME-Zarr"
            raise begun_otherwise(self.folder, how) from error
        except Exception as error:  # zarr raises many kinds
            raise damaged_part(self.folder, error) from error

    def read_made(self) -> dict[str, Any] | None:
        """Read what the result that is in its place says of how it was made; None if nothing."""
        try:
            return dict(self._open_group(self._image.place).attrs[RECORD])  # type: ignore[arg-type]
        except Exception:  # zarr raises many kinds
            return None

    def open(self, record: dict[str, Any]) -> None:
        """Begin it if nobody has, or go on.

        Parameters
        ----------
        record : dict
            What a new one says of how it is made.

        Raises
        ------
        UserError
            If it can't be written, or somebody has changed how it is stored.
        """
        with report_errors(self.folder):
            if not self.folder.exists():
                with replacing_folder(self.folder) as folder:
                    self._image.create(folder, record)
            full = self._find_levels()
        if (full.shape, full.dtype) != (self._image.shape, self._image.dtype):
            raise begun_otherwise(self.folder, "with other pixels")

    def is_whole(self) -> bool:
        """Whether no chunk is missing of what was begun, whatever its pixels are.

        Raises
        ------
        UserError
            If it can't be read.
        """
        depth, listed = self._find_levels().shape[0], Listing()
        return all(
            listed.has(level.path(index, chunk))
            for level in self._levels
            for index in range(depth)
            for chunk in level.all()
        )

    def missing_parts(self, index: int, parts: Iterable[Window]) -> list[Window]:
        """Find the parts of a slice, as large as it is, of which a chunk is missing.

        Each folder is listed once, because a network disk answers that about as soon as a question
        after one of its files.
        """
        listed, full = Listing(), self._levels[0]
        return [part for part in parts if any(full.missing(index, part, listed.has))]

    def lacks_levels(self, index: int) -> bool:
        """Whether a chunk of a slice's smaller sizes is missing."""
        listed = Listing()
        return any(
            not listed.has(level.path(index, chunk))
            for level in self._levels[1:]
            for chunk in level.all()
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
            If the disk is full, or it was deleted meanwhile.
        """
        self._check_turn()
        for chunk in self._levels[0].missing(index, window):
            self._put(0, index, chunk, page[_inside(chunk, window)])

    def write_levels(self, index: int) -> None:
        """Write the chunks that are missing of a slice's smaller sizes; its full size is there.

        Raises
        ------
        UserError
            If the disk is full, it was deleted meanwhile, or what was written can't be read.
        """
        self._check_turn()
        for level in reversed(range(1, len(self._levels))):
            for chunk in self._levels[level].all():
                if not Path(self._levels[level].path(index, chunk)).exists():
                    self._shrink(level, index, chunk)

    def delete_slice(self, index: int) -> None:
        """Delete the chunks of a slice.

        Raises
        ------
        UserError
            If they can't be deleted.
        """
        for level in self._levels:
            with report_errors(self.folder):
                level.delete(index)

    def finish(self) -> None:
        """Give it its name.

        Raises
        ------
        UserError
            If it can't be renamed.
        """
        self._levels = []
        image = self._image
        move_folder(self.folder, image.place, image.container, overwrite=image.overwrite)
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

    def _begin_turn(self, lock: IO[bytes], share: Share) -> str:
        """Write down who holds it, so that helpers of those before notice that they have ended.

        A cluster's workers go on with what they were at when the command that gave it is killed.
        """
        turn = secrets.token_hex(_TURN_BYTES) if share == WHOLE else ""  # shares have no helpers
        with report_errors(self.folder):
            lock.truncate(0)
            append_whole(lock, turn.encode())
            os.fsync(lock.fileno())  # or another machine would not see it on a network disk
        return turn

    def _check_turn(self) -> None:
        """Refuse to write what was deleted meanwhile, and for a process that does not hold it."""
        is_there = (self.folder / self._image.group_file).exists()
        if not self._is_helper:
            if not is_there:  # or the chunks of a new folder would be nobody's
                raise UnwritableError(
                    self.folder, FileNotFoundError(errno.ENOENT, "it was deleted")
                )
            return
        with suppress(OSError):
            if is_there and self._lock().read_bytes() == self.turn.encode():
                return
        raise UserError(
            f"{self.folder} is not there, or another command holds it.",
            "All workers have to see the same files, under the same names.",
        )

    def _find_levels(self) -> zarr.Array[Any]:
        """Find the files of all sizes; give the array of the full one."""
        place = self._image.group_in(self.folder)
        try:
            group = self._open_group(self.folder)
            found = sorted(group.arrays(), key=lambda level: int(level[0]))
            self._levels = [ChunkFiles(array, place / name) for name, array in found]
            return found[0][1]
        except Exception as error:  # zarr raises many kinds
            raise damaged_part(self.folder, error) from error

    def _open_group(self, folder: Path) -> zarr.Group:
        return zarr.open_group(
            self._image.group_in(folder),
            mode="r",
            zarr_format=2 if self._image.version == "0.4" else 3,
        )

    def _put(self, level: int, index: int, chunk: Window, page: NDArray[Any]) -> None:
        """Write a chunk, and keep its pixels for the next smaller size."""
        files, page = self._levels[level], np.ascontiguousarray(page, self._image.dtype)
        with report_errors(self.folder):
            files.write(index, chunk, page)
        if level + 1 < len(self._levels):
            self._kept.keep(files.path(index, chunk), page)

    def _shrink(self, level: int, index: int, window: Window) -> None:
        """Write a missing chunk of a smaller size, and those it is made of where they are missing.

        So few chunks are in memory.
        """
        finer = self._levels[level - 1]
        rows, columns = (
            range(2 * wanted.start, min(2 * wanted.stop, length))
            for wanted, length in zip(window, finer.shape, strict=True)
        )
        made_of = rows, columns
        chunks = list(finer.within(made_of))
        if len(chunks) == 1:
            page = self._page(level - 1, index, chunks[0])
        else:
            page = np.empty((len(rows), len(columns)), self._image.dtype)
            for chunk in chunks:
                page[_inside(chunk, made_of)] = self._page(level - 1, index, chunk)
        self._put(level, index, window, halve(page, self._image.is_label))

    def _page(self, level: int, index: int, chunk: Window) -> NDArray[Any]:
        """Give the pixels of a chunk: kept, read, or made of larger ones."""
        files = self._levels[level]
        path = files.path(index, chunk)
        if level and not Path(path).exists():
            self._shrink(level, index, chunk)
        kept = self._kept.take(path)
        if kept is not None:
            return kept
        try:
            return files.read(index, chunk)
        except Exception as error:  # of codecs, of many kinds
            raise damaged_part(Path(path), error) from error


def _inside(chunk: Window, window: Window) -> tuple[slice, slice]:
    """Give the place of a chunk in a part of its slice."""
    rows, columns = (
        slice(found.start - whole.start, found.stop - whole.start)
        for found, whole in zip(chunk, window, strict=True)
    )
    return rows, columns
