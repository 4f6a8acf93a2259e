"""Documents and paths in a folder of arrays, which anyone may have written.

No document is taken at its word, and none outside the folder is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.files.untrusted_files import is_count, is_inside, parse_json, read_document
from training.formats.chunked_stack import unreadable
from training.formats.location import Location
from training.formats.pixel_size import PixelSize, nanometres

_MOST_AXES = 32


def read_object(path: Path, container: Path) -> dict[str, Any] | None:
    """Read a JSON object in a folder; None where there is no file.

    Raises
    ------
    UserError
        If it is damaged, or a link out of the container.
    """
    if not path.exists():
        return None
    try:
        check_inside(path, container)
        document = parse_json(read_document(path))
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return document


def check_inside(path: Path, container: Path) -> None:
    """Refuse links that lead out of a folder.

    Raises
    ------
    OSError
    """
    if not is_inside(path, container):
        raise OSError("it is a link out of the folder")


def check_inner(location: Location) -> None:
    """Refuse a location that leads out of its folder.

    Raises
    ------
    UserError
    """
    try:
        if location.inner:
            check_path(location.inner)
        check_inside(location.container / location.inner, location.container)
    except (OSError, ValueError) as error:
        raise unreadable(location.path, error) from error


def check_path(path: Any) -> None:
    """Refuse a path that is not one into a folder.

    Raises
    ------
    ValueError
    """
    if not isinstance(path, str) or {"", ".", ".."} & set(path.split("/")) or "\0" in path:
        raise ValueError(f"{str(path)[:50]!r} is not a path in it")


def read_lengths(value: Any, least: int) -> tuple[int, ...]:
    """Check a list of lengths, of so much at least.

    Raises
    ------
    ValueError
    """
    is_list = isinstance(value, list) and len(value) <= _MOST_AXES
    if not (is_list and all(is_count(one) and one >= least for one in value)):
        raise ValueError(f"{str(value)[:50]} is not a shape")
    return tuple(value)


def size_along(axes: Any, sizes: Any, units: Any) -> PixelSize | None:
    """Read the lengths of pixels along axes that are named, each in its unit.

    Returns
    -------
    PixelSize or None
        None where these are not such lists, or lack lengths along y and x.
    """
    lists = axes, sizes, units
    if not all(isinstance(one, list) and len(one) == len(axes) for one in lists):
        return None
    lengths = {
        axis: size * (nanometres(str(unit)) or 0)
        for axis, size, unit in zip(*lists, strict=True)
        if isinstance(axis, str) and isinstance(size, int | float)
    }
    return PixelSize.of(*map(lengths.get, "zyx"))


def transform_size(attributes: dict[str, Any]) -> PixelSize | None:
    """Read the pixel size of an array by ``transform``, as COSEM and OpenOrganelle write it."""
    transform = attributes.get("transform")
    if not isinstance(transform, dict):
        return None
    return size_along(*map(transform.get, ("axes", "scale", "units")))
