"""Reading what others may have written: never a pipe or a device, no more than fits, plain JSON."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import sys
from pathlib import Path
from typing import IO, Any

MOST_BYTES = 16 * 2**20  # of a document; ours have some kilobytes
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
LARGEST_COUNT = 2**53  # that a float holds exactly
_TAIL_BYTES = 16_384

if sys.platform == "win32":
    _NO_WAITING = 0  # pipes are no files there
else:
    _NO_WAITING = os.O_NONBLOCK


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file to read it. Opening a pipe would wait for its writer.

    Raises
    ------
    OSError
        If the file is missing, or is a folder, a pipe, a socket or a device.
    """
    return open(path, "rb", opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | _NO_WAITING)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return descriptor


def read_document(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The text of a small file.

    Raises
    ------
    OSError
        As :func:`open_regular`, and if it is larger than ``most_bytes``.
    ValueError
        If it is not UTF-8.
    """
    with open_regular(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"Larger than {most_bytes // 2**20} MiB", str(path))
    return content.decode()


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path stays in a folder when all links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def parse_json(text: str | bytes) -> Any:
    """A JSON document.

    Raises
    ------
    ValueError
        If it isn't one, has NaN or infinite numbers, texts that are neither Unicode nor a file's
        name, or is nested too deeply.
    """
    text = text if isinstance(text, str) else text.decode()
    try:
        document = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\u" in text and _SURROGATE.search(text):
        json.dumps(document, ensure_ascii=False).encode(
            errors="surrogateescape"
        )  # as names of files
    return document


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


# Made once: a run has events by the hundred thousand.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that a float can hold."""
    is_float = isinstance(value, float) and math.isfinite(value)
    return is_float or (type(value) is int and abs(value) <= LARGEST_COUNT)


def is_count(value: Any) -> bool:
    """Whether a value is an integer from 0 on."""
    return type(value) is int and 0 <= value <= LARGEST_COUNT


def read_tail(log: Path, most: int = _TAIL_BYTES) -> str:
    """Read the last lines of a text file, in so many bytes; empty if there is no file."""
    try:
        with open_regular(log) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            text = file.read().decode(errors="replace")
    except OSError:  # it is missing, or is not a file
        return ""
    if size <= most:
        return text
    cut, _, lines = text.partition("\n")
    return lines or cut
