"""Writing a stack as a dataset of an HDF5 file, beside others that it has."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from numpy.typing import NDArray

from training.errors import UserError
from training.files.atomic_files import replacing
from training.files.file_locks import hold_lock
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.masks.stack_writer import StackWriter, lacking_library, report_errors, split_path
from training.masks.tif_writer import check_output

if TYPE_CHECKING:
    import h5py

HDF5_ENDINGS = (".h5", ".hdf5")
CHUNK = 1024  # pixels along y and x
_STACK = "stack"
_ADDING_SECONDS = 3600.0  # in which others have copied the file


def check_hdf5_output(path: Path, overwrite: bool = False) -> None:
    """Refuse a dataset that can't be written, such as ``a.h5/mask``.

    Raises
    ------
    UserError
        If no dataset is named, or there is one and ``overwrite`` is False; if the file is not
        HDF5; if h5py is not installed; as :func:`tif_writer.check_output`.
    """
    container, inner = _split(path)
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise lacking_library(path, "an HDF5 file", "h5py") from None
    if not inner:
        raise UserError(f"{path} names no dataset.", f"Give one, such as {path}/mask.")
    check_output(container, overwrite=True)
    if container.exists():
        with _open_file(container) as file:
            _check_dataset(file, inner, path, overwrite)


class Hdf5Writer(StackWriter):
    """Writes a dataset (Z, Y, X), with CREMI's ``resolution`` (z, y, x in nm; z is 0 if unknown).

    Where it does not begin where a larger volume does it has CREMI's ``offset`` (z, y, x in nm).
    It is written to a file without a name first. The one that is named is then replaced by a copy
    that has the dataset too, so that its others are never at risk.

    Parameters
    ----------
    path, shape, dtype, pixel_size, offset
        As :class:`StackWriter`; the path goes on in the file: ``a.h5/volumes/mask``.
    compression : str or None
        ``zlib``, or None for uncompressed pixels.
    overwrite : bool
        Replace a dataset that is there.

    Raises
    ------
    UserError
        As :func:`check_hdf5_output`; while writing, if the disk is full.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: Any,
        *,
        compression: str | None = "zlib",
        pixel_size: PixelSize | None = None,
        offset: Offset = NO_OFFSET,
        overwrite: bool = False,
    ) -> None:
        check_hdf5_output(path, overwrite)
        super().__init__(path, shape, dtype, pixel_size, offset)
        self._container, self._inner = _split(path)
        self._filter = None if compression is None else "gzip"
        self._overwrite = overwrite

    def _append(self, page: NDArray[Any]) -> None:
        self._data[self._written] = page
        self._disk.check()

    @contextmanager
    def _open(self) -> Iterator[None]:
        with _nameless_file(self._container) as scratch, self._open_hdf5(scratch, "w") as file:
            height, width = self._shape[1:]
            self._data = file.create_dataset(
                _STACK,
                self._shape,
                self._dtype,
                chunks=(1, min(height, CHUNK), min(width, CHUNK)),
                compression=self._filter,
            )
            if self._pixel_size is not None:
                size = self._pixel_size
                self._data.attrs["resolution"] = (size.z or 0.0, size.y, size.x)
            if any(self._offset):
                self._data.attrs["offset"] = self._offset
            yield
            self._check_whole()
            self._add_to_container(file)

    @contextmanager
    def _open_hdf5(self, file: IO[bytes], mode: str) -> Iterator[h5py.File]:
        import h5py

        self._disk = _Disk(file.fileno())
        with h5py.File(self._disk, mode) as opened:
            yield opened
        with report_errors(self._path):
            self._disk.check()

    def _add_to_container(self, file: h5py.File) -> None:
        # Another process that adds a dataset would copy the file without this one.
        real = Path(os.path.realpath(self._container))
        alone = hold_lock(real, patience=_ADDING_SECONDS, is_left=False)
        place = replacing(self._container, follow_links=True, is_result=True)
        with alone, place as whole, report_errors(self._path):
            is_new = not self._container.exists()
            if not is_new:
                with self._container.open("rb") as before:
                    shutil.copyfileobj(before, whole, 2**24)
                whole.flush()
            with self._open_hdf5(whole, "w" if is_new else "r+") as target:
                _check_dataset(target, self._inner, self._path, self._overwrite)
                if self._inner in target:
                    del target[self._inner]
                file.copy(_STACK, target, name=self._inner)


class _Disk(io.RawIOBase):
    """A file on the disk that keeps errors for :meth:`check`: HDF5 crashes if it is told of them.

    It can't close a file that it could not write to.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = io.FileIO(descriptor, "r+", closefd=False)
        self._position = 0
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error that there was; the file is of no use then."""
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}
        start = self._file.seek(0, os.SEEK_END) if whence == os.SEEK_END else starts[whence]
        self._position = start + offset
        return self._position

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        with self._keep_error():
            self._file.seek(self._position)
            while left:
                left = left[self._file.write(left) :]
        self._position += size
        return size

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view[:] = bytes(len(view))  # for what could not be written
        with self._keep_error():
            self._file.seek(self._position)
            self._file.readinto(view)
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        size = self._position if size is None else size
        with self._keep_error():
            self._file.truncate(size)
        return size

    @contextmanager
    def _keep_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._error = self._error or error


def _split(path: Path) -> tuple[Path, str]:
    return split_path(path, HDF5_ENDINGS) or (path, "")


def _nameless_file(beside: Path) -> IO[bytes]:
    """Open a new file on the same disk, which vanishes with the process."""
    with report_errors(beside):
        return tempfile.TemporaryFile(dir=beside.parent)


def _open_file(path: Path) -> h5py.File:
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        from training.formats.chunked_stack import unreadable

        raise unreadable(path, error) from error


def _check_dataset(file: h5py.File, inner: str, path: Path, overwrite: bool) -> None:
    """Refuse a name that is taken, or that leads through links or datasets."""
    import h5py

    *groups, name = inner.split("/")
    item = file
    for part in groups:
        link = item.get(part, getlink=True)
        if link is None:
            return
        if not isinstance(link, h5py.HardLink) or not isinstance(item[part], h5py.Group):
            raise UserError(
                f"{path} leads through {part}, which is not a group of the file itself."
            )
        item = item[part]
    link = item.get(name, getlink=True)
    if link is None:
        return
    if not isinstance(link, h5py.HardLink) or not isinstance(item[name], h5py.Dataset):
        raise UserError(f"{path} is a group or a link.", "Give the name of a dataset.")
    if not overwrite:
        raise UserError(f"{path} exists already.", "Choose another name, or use --overwrite.")
