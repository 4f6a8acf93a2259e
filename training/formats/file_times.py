"""Whether the files of a stack may have been edited, without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from training.formats.location import SLICE_ENDINGS, is_array_folder, locate

MOST_FILES = 100_000
"""Of a stack that are looked at: of more it is not known."""


_LABELS = "labels"  # the folder of an OME-Zarr image's masks


def file_times(path: Path) -> list[int] | None:
    """Count a stack's files and their bytes, and find the time of the last change.

    Hidden files, and the labels beside an image in OME-Zarr, are left out.

    Parameters
    ----------
    path : Path
        As :func:`training.opening.open_stack` takes it.

    Returns
    -------
    list of int or None
        Files, bytes, and ns since 1970; None where it is not known.
    """
    try:
        found = list(islice(_statuses(path), MOST_FILES + 1))
    except OSError:
        return None
    if not 0 < len(found) <= MOST_FILES:
        return None
    size = sum(status.st_size for status in found)
    return [len(found), size, max(status.st_mtime_ns for status in found)]


def _statuses(path: Path) -> Iterator[os.stat_result]:
    container = locate(path).container
    if container.is_file():
        yield container.stat()
    elif not is_array_folder(container):
        for file in container.glob("[!.]*"):
            if file.suffix.lower() in SLICE_ENDINGS:
                yield file.stat()
    else:
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if name[0] != "." and name != _LABELS]
            for name in files:
                if name[0] != ".":
                    yield Path(folder, name).stat()
