"""Reading weights from safetensors files, without MindSpore."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from training.errors import UserError
from training.files.untrusted_files import open_regular

Weights = dict[str, NDArray[Any]]

# Tags of the first and the second field of a protobuf message, where these have a length.
_FIRST, _SECOND = b"\x0a", b"\x12"
# The last three are for types of numbers that NumPy lacks.
_CONTENT_ERRORS = (SafetensorError, ValueError, TypeError, AttributeError, KeyError)


def read_safetensors(path: Path) -> tuple[Weights, dict[str, str]]:
    """Read all arrays of a file by name, of any shape and dtype, and its metadata.

    Raises
    ------
    UserError
        If the file is missing, can't be read, or is not a safetensors file.
    """
    with _open(path) as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return weights, file.metadata() or {}


def read_metadata(path: Path) -> dict[str, str]:
    """Read a file's metadata alone; errors as :func:`read_safetensors`."""
    with _open(path) as file:
        return file.metadata() or {}


def check_checkpoint(path: Path) -> None:
    """Raise a UserError unless a file has the structure of a checkpoint; its arrays stay unread.

    A ``.ckpt`` is a protobuf message of named arrays, every other file a safetensors file.
    """
    if path.suffix != ".ckpt":
        read_metadata(path)
        return
    check_readable(path)
    with open_regular(path) as file:
        if not _is_zoo_checkpoint(file, os.fstat(file.fileno()).st_size):
            raise not_a_checkpoint(path)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    check_readable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except _CONTENT_ERRORS as error:
        raise not_a_checkpoint(path) from error


def check_readable(path: Path) -> None:
    """Raise a UserError that says why a file can't be opened, if it can't."""
    try:
        open_regular(path).close()
    except FileNotFoundError:
        raise UserError(f"There is no checkpoint {path}.", "Check the path.") from None
    except OSError as error:
        raise UserError(
            f"The checkpoint {path} can't be read: {error.strerror}.",
            "Check who may read it, and the disk that it is on.",
        ) from error


def _is_zoo_checkpoint(file: IO[bytes], size: int) -> bool:
    """Return whether a file is a protobuf message of messages, each with a name and an array."""
    try:
        arrays = [
            tag == _FIRST and [tag for tag, _ in _read_fields(file, end)] == [_FIRST, _SECOND]
            for tag, end in _read_fields(file, size)
        ]
    except ValueError:
        return False
    return bool(arrays) and all(arrays)


def _read_fields(file: IO[bytes], end: int) -> Iterator[tuple[bytes, int]]:
    """Yield tag and end of each field with a length, up to a message's end, its content skipped.

    Raises
    ------
    ValueError
        If a field goes beyond the message.
    """
    while file.tell() < end:
        tag, length, shift = file.read(1), 0, 0
        while (byte := (file.read(1) or b"\0")[0]) & 0x80 and shift < 63:
            length |= (byte & 0x7F) << shift
            shift += 7
        field_end = file.tell() + (length | byte << shift)
        if field_end > end:
            raise ValueError("a field goes beyond its message")
        yield tag, field_end
        file.seek(field_end)


def not_a_checkpoint(path: Path) -> UserError:
    """Make the error for a file that can be read but holds something else."""
    return UserError(
        f"{path} is not a checkpoint that can be read.", "Give a .ckpt or .safetensors file."
    )
