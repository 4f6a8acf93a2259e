"""Weights in safetensors files and the zoo's legacy ``.ckpt``, without MindSpore."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from training.errors import UserError
from training.files.untrusted_files import open_regular

Weights = dict[str, NDArray[Any]]

# Tags of the fields of MindSpore's checkpoint.proto: of a parameter its name and its tensor, of
# the tensor its lengths, the name of its type and its content.
_NAME, _TENSOR = 0x0A, 0x12
_LENGTH, _TYPE, _CONTENT = 0x08, 0x12, 0x1A
_NUMBER, _WITH_LENGTH = 0, 2  # the kinds of fields, in the lowest bits of a tag
_TYPES = ("Float16", "Float32", "Float64", "Int8", "Int16", "Int32", "Int64", "UInt8", "Bool")
_CHECKSUM = b"crc_num", 10  # what may stand at the end, and how many bytes follow it
# The last three are for types of numbers that NumPy lacks.
_CONTENT_ERRORS = (SafetensorError, ValueError, TypeError, AttributeError, KeyError)


def load_weights(path: Path) -> tuple[Weights, dict[str, str]]:
    """Read all arrays of a ``.safetensors`` or ``.ckpt`` file by name, and its metadata.

    Returns
    -------
    weights : dict of str to array
        Of any shape and dtype.
    metadata : dict of str to str
        Empty for a ``.ckpt``, which has none.

    Raises
    ------
    UserError
        If the file is missing, can't be read, or is not a checkpoint.
    """
    if path.suffix == ".ckpt":
        with _open_zoo_checkpoint(path) as (file, size):
            return _read_parameters(file, size), {}
    with _open(path) as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return weights, file.metadata() or {}


def pack_weights(weights: Weights, metadata: Mapping[str, str]) -> bytes:
    """Pack weights by name and metadata into the content of a safetensors file."""
    contiguous = {name: np.asarray(value, order="C") for name, value in weights.items()}
    return save(contiguous, metadata=dict(metadata))


def read_metadata(path: Path) -> dict[str, str]:
    """Read a safetensors file's metadata alone; errors as :func:`load_weights`."""
    with _open(path) as file:
        return file.metadata() or {}


def check_checkpoint(path: Path) -> None:
    """Raise a UserError unless a file has the structure of a checkpoint; its arrays stay unread.

    A ``.ckpt`` is a protobuf message of named arrays, every other file a safetensors file.
    """
    if path.suffix != ".ckpt":
        read_metadata(path)
        return
    with _open_zoo_checkpoint(path) as (file, size):
        for _ in _list_parameters(file, size):
            pass


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    _check_readable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except _CONTENT_ERRORS as error:
        raise _not_a_checkpoint(path) from error


def _check_readable(path: Path) -> None:
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


@contextmanager
def _open_zoo_checkpoint(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open a ``.ckpt``; gives it, and its size without a checksum."""
    _check_readable(path)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        mark, length = _CHECKSUM
        file.seek(max(0, size - length - len(mark)))
        size -= (len(mark) + length) if file.read(len(mark)) == mark else 0
        file.seek(0)
        try:
            yield file, size
        except (ValueError, OverflowError) as error:
            raise _not_a_checkpoint(path) from error


def _read_parameters(file: IO[bytes], size: int) -> Weights:
    """Read the arrays of a ``.ckpt``, whose large ones are cut into parts; errors as below."""
    parts: dict[str, list[NDArray[Any]]] = {}
    shapes: dict[str, list[int]] = {}
    for name, end in _list_parameters(file, size):
        shape: list[int] = []
        kind = ""
        for tag, value in _read_fields(file, end):
            if tag == _LENGTH:
                shape.append(value)
            elif tag == _TYPE:
                kind = _read_to(file, value).decode()
            elif tag == _CONTENT and kind in _TYPES:
                content = np.frombuffer(_read_to(file, value), kind.lower())
                parts.setdefault(name, []).append(content)
        shapes[name] = [] if shape == [0] else shape  # so they write a single number
    return {name: np.concatenate(part).reshape(shapes[name]) for name, part in parts.items()}


def _list_parameters(file: IO[bytes], size: int) -> Iterator[tuple[str, int]]:
    """Yield name and end of each parameter's tensor, to which the file has been read.

    Raises
    ------
    ValueError
        If the file is not a protobuf message of messages, each with a name and a tensor.
    """
    count = 0
    for tag, end in _read_fields(file, size):
        fields = _read_fields(file, end)
        name_tag, name_end = next(fields, (0, 0))
        if (tag, name_tag) != (_NAME, _NAME):
            raise ValueError("not a list of parameters")
        name = _read_to(file, name_end).decode()
        tensor_tag, tensor_end = next(fields, (0, 0))
        if tensor_tag != _TENSOR or tensor_end != end:
            raise ValueError("a parameter that is not a tensor")
        yield name, tensor_end
        count += 1
    if not count:
        raise ValueError("without parameters")


def _read_fields(file: IO[bytes], end: int) -> Iterator[tuple[int, int]]:
    """Yield the tag of each field of a message, and its number or, where it has a length, its end.

    The file is read to a field's content then, which is skipped with the next field.

    Raises
    ------
    ValueError
        If a field goes beyond the message.
    """
    while file.tell() < end:
        tag, value = file.read(1)[0], _read_number(file)
        kind = tag & 7
        if kind not in (_NUMBER, _WITH_LENGTH):
            raise ValueError("a field of another kind")
        value += file.tell() if kind == _WITH_LENGTH else 0
        if max(file.tell(), value if kind == _WITH_LENGTH else 0) > end:
            raise ValueError("a field goes beyond its message")
        yield tag, value
        if kind == _WITH_LENGTH:
            file.seek(value)


def _read_number(file: IO[bytes]) -> int:
    """Read a number of protobuf: seven bits a byte, the lowest first."""
    number, shift = 0, 0
    while (byte := (file.read(1) or b"\0")[0]) & 0x80 and shift < 63:
        number |= (byte & 0x7F) << shift
        shift += 7
    return number | byte << shift


def _read_to(file: IO[bytes], end: int) -> bytes:
    return file.read(end - file.tell())


def _not_a_checkpoint(path: Path) -> UserError:
    """Make the error for a file that can be read but holds something else."""
    return UserError(
        f"{path} is not a checkpoint that can be read.", "Give a .ckpt or .safetensors file."
    )
