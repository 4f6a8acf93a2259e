"""Loads files from the net, and goes on where a lost connection or a former try ended.

uv begins again there, and MindSpore's file has 0.8 GB.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import certifi

from training.errors import UserError
from training.files.atomic_files import UnwritableError

_CHUNK = 1 << 16  # bytes
_SILENCE_SECONDS = 15.0  # until a connection is taken for lost
_MOST_TRIES = 6  # in a row that bring nothing
_PAUSE = 0.5  # seconds after a try; twice as long after each further one that brings nothing
_INTERVAL = 0.1  # seconds between two looks at whether to go on
_SERVER_FAILS = 500  # from this status on another try may help
_CONNECTION_ERRORS = (
    URLError,
    http.client.HTTPException,
    ssl.SSLError,
    TimeoutError,
    ConnectionError,
)
_GO_ON = "See that there is internet and set up again: it goes on where it was."


class RefusedError(Exception):
    """A server gives a file to nobody, or only to those who log in."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to load.

    Parameters
    ----------
    url : str
        Where it is.
    name : str
        Its name here.
    size : int
        In bytes.
    sha256 : str
        Hash of its content, in hexadecimal digits.
    """

    url: str
    name: str
    size: int
    sha256: str


def download(files: Sequence[RemoteFile], folder: Path) -> Iterator[int]:
    """Load files into a folder; yields the bytes of all that are there, several times a second.

    Raises
    ------
    RefusedError
        If the server refuses.
    UserError
        If there is no connection, a file has another content than it should have, or the disk is
        full.
    """
    before = 0
    for file in files:
        for there in _load(file, folder):
            yield before + there
        before += file.size


def find_size(url: str) -> int:
    """Ask a server for the size of a file in bytes; 0 where it does not say."""
    request = Request(url, method="HEAD")  # noqa: S310 (as below)
    try:
        with urlopen(request, timeout=_SILENCE_SECONDS, context=_certificates()) as answer:  # noqa: S310
            return int(answer.headers.get("Content-Length", 0))
    except (*_CONNECTION_ERRORS, ValueError):
        return 0


def missing_bytes(files: Sequence[RemoteFile], folder: Path) -> int:
    """How much of some files is yet to be loaded."""
    return sum(max(0, file.size - _size(_place(file, folder))) for file in files)


def _load(file: RemoteFile, folder: Path) -> Iterator[int]:
    target, part = folder / file.name, _place(file, folder)
    tries = 0
    while not target.exists():
        began_with = _size(part)
        try:
            if began_with < file.size:
                yield from _receive(file, part)
            _accept(file, part, target)
        except _CONNECTION_ERRORS as error:
            if _is_refused(error):
                raise RefusedError from error
            tries = 0 if _size(part) > began_with else tries + 1
            if tries == _MOST_TRIES:
                raise _failure(file, error) from error
            yield from _pause(_PAUSE * 2**tries, _size(part))
        except OSError as error:
            raise UnwritableError(part, error) from error
    yield file.size


def _receive(file: RemoteFile, part: Path) -> Iterator[int]:
    """Add to what there is of a file."""
    there = _size(part)
    request = Request(file.url, headers={"Range": f"bytes={there}-"} if there else {})  # noqa: S310
    with contextlib.ExitStack() as opened:
        # The index says where it is: a server, or a folder of a local one.
        answer = opened.enter_context(
            urlopen(request, timeout=_SILENCE_SECONDS, context=_certificates())  # noqa: S310
        )
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        output = opened.enter_context(part.open("ab" if goes_on else "wb"))
        told = 0.0
        while chunk := answer.read(_CHUNK):
            output.write(chunk)
            if time.monotonic() - told >= _INTERVAL:
                told = time.monotonic()
                yield output.tell()


def _accept(file: RemoteFile, part: Path, target: Path) -> None:
    """Give a file its name where all of it is there; a ConnectionError if it is not."""
    if _size(part) < file.size:
        raise ConnectionError("The connection was closed")
    with part.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != file.sha256:
        part.unlink()
        raise UserError(f"{file.name} was damaged on its way.", "Set up again.")
    part.rename(target)


def _pause(seconds: float, there: int) -> Iterator[int]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield there
        time.sleep(_INTERVAL)


def _place(file: RemoteFile, folder: Path) -> Path:
    """Where a file is, or what there is of it."""
    target = folder / file.name
    return target if target.exists() else folder / f"{file.name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_refused(error: Exception) -> bool:
    return isinstance(error, HTTPError) and error.code < _SERVER_FAILS


def _failure(file: RemoteFile, error: Exception) -> UserError:
    host = urlsplit(file.url).hostname or file.url
    reason = error.reason if isinstance(error, URLError) else error
    return UserError(f"{file.name} can't be loaded from {host}: {reason}.", _GO_ON)


@cache
def _certificates() -> ssl.SSLContext:
    """The system's certificates, and those of certifi: some Pythons of macOS find none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
