"""Images of OME-Zarr: groups of arrays that hold one image at several sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training.errors import UserError
from training.formats.array_folders import check_path
from training.formats.chunked_stack import unreadable
from training.formats.pixel_size import Offset, PixelSize, nanometres, read_offset
from training.formats.zarr_folders.nodes import Node, axis_names
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.stacks.sparse_labels import LabelNote

CLASSES = "classes"
"""Where this package says in ``image-label`` what the values are, as :meth:`LabelClasses.parse`."""
_Lengths = tuple[float | None, ...]


@dataclass(frozen=True)
class Level:
    """An array of an image at one of its sizes.

    Parameters
    ----------
    path : str
        From the image's group.
    names : tuple of str
        Of its axes; empty where they have none.
    nanometres : tuple of float or None
        Of a pixel along each axis.
    starts : tuple of float or None
        Where the first pixel is along each axis, in nanometres.
    """

    path: str
    names: tuple[str, ...]
    nanometres: tuple[float | None, ...]
    starts: tuple[float | None, ...]

    @property
    def pixel_size(self) -> PixelSize | None:
        return PixelSize.of(*self._along_zyx(self.nanometres))

    @property
    def offset(self) -> Offset:
        return read_offset(*self._along_zyx(self.starts))

    def _along_zyx(self, lengths: tuple[float | None, ...]) -> Iterator[float | None]:
        known = dict(zip(self.names, lengths, strict=True))
        return (known.get(axis) for axis in "zyx")


def find_multiscales(node: Node) -> list[tuple[Level, ...]]:
    """Find a group's images by OME-Zarr: the levels of each, the largest first.

    Raises
    ------
    UserError
        If its metadata are damaged, or name paths outside of the group.
    """
    try:
        images = node.attributes.get("ome", node.attributes).get("multiscales", [])
        return [_levels(image) for image in images]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(node.folder, error, "The OME metadata of ") from error


def find_label_note(group: Node) -> LabelNote | None:
    """Find the classes that labels of this package say they have; None: they say none."""
    try:
        about = group.attributes.get("ome", group.attributes)["image-label"]
        classes = LabelClasses.parse(about[CLASSES])
    except (KeyError, TypeError, AttributeError, UserError):
        return None
    return LabelNote(LabelConvention.CLASSES, classes=classes) if classes else None


def _levels(image: Any) -> tuple[Level, ...]:
    datasets = image["datasets"]
    for dataset in datasets:
        check_path(dataset["path"])
    if not datasets:
        raise ValueError("it has no datasets")
    described, shared = _find_axes(image)
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in described]
    names = axis_names([axis["name"] for axis in axes])
    units = [_unit(axis.get("unit")) for axis in axes]
    return tuple(Level(one["path"], names, *_place(units, _steps(one), shared)) for one in datasets)


def _find_axes(image: Any) -> tuple[list[Any], list[Any]]:
    """Find the axes of an image's levels, and the steps that all levels share.

    From 0.6 on, these lead to other coordinate systems than that of the levels.
    """
    systems = image.get("coordinateSystems")
    if not systems:
        return image.get("axes", []), _steps(image)
    [step, *_] = _steps(image["datasets"][0]) or [{}]
    output = step.get("output")
    name = output.get("name") if isinstance(output, dict) else output
    return next((one for one in systems if one["name"] == name), systems[0])["axes"], []


def _steps(described: Any) -> list[Any]:
    return described.get("coordinateTransformations") or []


def _unit(name: Any) -> float | None:
    return nanometres(name) if isinstance(name, str) else None


def _place(
    units: list[float | None], steps: list[Any], shared: list[Any]
) -> tuple[_Lengths, _Lengths]:
    """Find how large pixels are, and where the first is, by the steps of a level and of all levels.

    Returns
    -------
    sizes, starts : tuple of float or None
        Along each axis, in nanometres.
    """
    sizes: list[float | None] = list(units) if steps else [None] * len(units)
    starts: list[float | None] = [unit and 0.0 for unit in units]
    for step in _in_row([*steps, *shared]):
        if step["type"] == "scale":
            scale = _numbers_in(step, "scale", len(units))
            sizes = [size and size * one for size, one in zip(sizes, scale, strict=True)]
            starts = [start and start * one for start, one in zip(starts, scale, strict=True)]
        elif step["type"] == "translation":
            moved = zip(units, starts, _numbers_in(step, "translation", len(units)), strict=True)
            starts = [unit and (start or 0.0) + unit * one for unit, start, one in moved]
        elif step["type"] != "identity":  # such as a rotation, of which no size is known
            sizes = starts = [None] * len(units)
    return tuple(sizes), tuple(starts)


def _in_row(steps: list[Any]) -> Iterator[Any]:
    """Give steps one after the other, those of sequences too, which have none in them."""
    for step in steps:
        yield from step["transformations"] if step["type"] == "sequence" else (step,)


def _numbers_in(step: Any, name: str, count: int) -> list[float]:
    """Read the numbers of a step, one for each axis; NaN where they are in a file."""
    numbers = step.get(name, [math.nan] * count)
    if len(numbers) != count or not all(isinstance(one, int | float) for one in numbers):
        raise ValueError(f"{str(numbers)[:50]} is not a {name} of its axes")
    return [float(one) for one in numbers]
