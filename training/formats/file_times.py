"""Whether the files of a stack may have been edited, without reading them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from training.formats.location import SLICE_ENDINGS, is_array_folder, locate

MOST_FILES = 100_000
"""Of a stack that are looked at: of more it is not known."""


_LABELS = "labels"  # the folder of an OME-Zarr image's masks


def file_times(path: Path) -> str | None:
    """Take a hash of the names and sizes of a stack's files, and of when they were changed.

    It is the same where a stack was moved away and back, or copied with its times, and another
    where a file was edited, came, went or took another's place. Hidden files, and the labels
    beside an image in OME-Zarr, are left out.

    Parameters
    ----------
    path : Path
        As :func:`training.opening.open_stack` takes it.

    Returns
    -------
    str or None
        None where it is not known.
    """
    container = locate(path).container
    try:
        found = {file: file.stat() for file in islice(_files(path, container), MOST_FILES + 1)}
    except OSError:
        return None
    if not 0 < len(found) <= MOST_FILES:
        return None
    states = sorted(
        (os.path.relpath(file, container), status.st_size, status.st_mtime_ns)
        for file, status in found.items()
    )
    return hashlib.sha256(repr(states).encode(errors="surrogateescape")).hexdigest()


def _files(path: Path, container: Path) -> Iterator[Path]:
    if container.is_file():
        yield container
    elif not is_array_folder(container):
        named = container.glob("[!.]*")
        yield from (file for file in named if file.suffix.lower() in SLICE_ENDINGS)
    else:
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if name[0] != "." and name != _LABELS]
            yield from (Path(folder, name) for name in files if name[0] != ".")
