"""The list of the operations on a layer of neurons, lines of JSON: in the window and in files.

A list only grows. It lies in memory, or in a file without a name where it is large.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock, RLock
from typing import IO, Any, overload
from weakref import finalize

from napari_unet.stacks.large_array import scratch_folder
from training.errors import UserError
from training.files.append_files import append_whole, open_to_append
from training.files.atomic_files import UnwritableError
from training.files.untrusted_files import open_regular, parse_json

LONGEST_LINE = 2**26  # bytes
MOST_LINES = 1_000_000
MOST_IN_MEMORY = 2**27  # bytes of a list
Line = dict[str, Any]


class OperationList(Sequence[Line]):
    """The lines of a list, which any thread may read and add to.

    Parameters
    ----------
    lines : iterable of dict
    source : Path, optional
        The file of a project that has the first lines; it is read once they are asked for.

    Attributes
    ----------
    source_count : int
        How many lines its source had when it was read.
    is_caught_up : bool
        Whether the pixels in the window have all of its lines.
    under_way : Lock
        Held while an operation changes pixels, until its line is in the list.
    """

    def __init__(self, lines: Iterable[Line] = (), source: Path | None = None) -> None:
        self.source, self.under_way = source, Lock()
        self.is_caught_up = source is None
        self._lock = RLock()
        self._is_read, self.source_count = source is None, 0
        self._ends = [0]
        # A disk that is full is told when a line is added.
        folder = str(scratch_folder())
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(MOST_IN_MEMORY, dir=folder)  # noqa: SIM115
        finalize(self, self._file.close)
        for line in lines:
            self.append(line)

    @property
    def is_read(self) -> bool:
        """Whether the lines of its source were read, or there is none."""
        return self._is_read

    def read(self) -> None:
        """Read the lines of its source, once.

        Raises
        ------
        UserError
            As :func:`read_lines`.
        """
        with self._lock:
            if not self._is_read and self.source is not None:
                for line in read_lines(self.source):
                    self._add(line)
                self._is_read, self.source_count = True, len(self._ends) - 1

    def copy(self) -> OperationList:
        """Make another list of the same lines."""
        lines = OperationList(self if self._is_read else (), self.source)
        lines._is_read, lines.source_count = self._is_read, self.source_count
        lines.is_caught_up = self.is_caught_up
        return lines

    def __len__(self) -> int:
        with self._lock:
            self.read()
            return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return [self._parse(number) for number in numbers]
        return self._parse(numbers)

    def append(self, line: Line) -> None:
        """Add a line.

        Raises
        ------
        UnwritableError
            If it is in a file whose disk is full; the list is as before then.
        """
        with self._lock:
            self.read()
            self._add(line)

    def packed(self, first: int, end: int) -> bytes:
        """Give the lines from ``first`` on, and before ``end``, as they are in a file."""
        with self._lock:
            self.read()
            return self._bytes(self._ends[first], self._ends[end])

    def _add(self, line: Line) -> None:
        content = _packed(line)
        try:
            self._file.seek(self._ends[-1])
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            raise UnwritableError(scratch_folder(), error) from error
        self._ends.append(self._ends[-1] + len(content))

    def _parse(self, number: int) -> Line:
        with self._lock:
            line: Line = json.loads(self._bytes(*self._ends[number : number + 2]))
        return line

    def _bytes(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)


def append_lines(path: Path, lines: Iterable[Line]) -> None:
    """Add lines to a file of operations, each as a whole; the file is made if it is missing.

    Raises
    ------
    UnwritableError
        If it can't be written.
    """
    append_packed(path, b"".join(map(_packed, lines)))


def append_packed(path: Path, content: bytes, folder: Path | None = None) -> None:
    """Add lines as :meth:`OperationList.packed` gives them.

    Parameters
    ----------
    path : Path
    content : bytes
    folder : Path, optional
        From which on no part of the path may be a link.

    Raises
    ------
    UnwritableError
        If it can't be written.
    """
    with open_to_append(path, folder) as file:
        try:
            size = file.seek(0, 2)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":  # a killed process left half a line
                    content = b"\n" + content
            append_whole(file, content)
        except OSError as error:
            raise UnwritableError(path, error) from error


def read_lines(path: Path) -> list[Line]:
    """Read a file of operations; half a line that a killed process left is passed over.

    Raises
    ------
    UserError
        If it can't be read, is too large, or holds something else.
    """
    try:
        with open_regular(path) as file:
            return list(_parsed(iter(lambda: file.readline(LONGEST_LINE + 1), b""), path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}.") from error


def _parsed(lines: Iterator[bytes], path: Path) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE or number > MOST_LINES:
            raise UserError(f"{path} is too large for a list of operations.")
        try:
            document = parse_json(line)
        except ValueError:
            if _is_half(line):
                continue
            raise UserError(f"{path}, line {number}, is not an operation on neurons.") from None
        if not isinstance(document, dict):
            raise UserError(f"{path}, line {number}, is not an operation on neurons.")
        yield document


def _is_half(line: bytes) -> bool:
    """Whether a line was begun as one of ours and cut off."""
    return line.startswith(b'{"kind"') and not line.rstrip().endswith(b"}")


def _packed(line: Line) -> bytes:
    return json.dumps(line).encode() + b"\n"
