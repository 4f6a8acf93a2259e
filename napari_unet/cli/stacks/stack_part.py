"""Options that say which part of a stack is predicted, and at which scale."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from training.errors import UserError
from training.formats.pixel_size import Offset, PixelSize
from training.formats.stack import Stack
from training.model.model_card import ModelCard
from training.model.slice_view import SliceView
from training.model.stack_scale import StackScale, parse_pixel_size

Bounds = tuple[tuple[int, int | None], ...]  # along Z, Y and X; None: to the end
_RANGE = re.compile(r"(\d{0,15}):(\d{0,15})|")
_FORM = "as in 10:20,0:512,0:512, from the first pixel of each axis to before the last"


def _read_pixel_size(_: click.Context, __: click.Parameter, value: str) -> PixelSize | None:
    try:
        return parse_pixel_size(value) if value else None
    except UserError as error:
        raise click.BadParameter(str(error)) from error


def _read_region(_: click.Context, __: click.Parameter, value: str) -> Bounds:
    found = [_RANGE.fullmatch(part.strip()) for part in value.split(",")]
    if len(found) > 3 or not all(found):
        raise click.BadParameter(f"{value} is not a region {_FORM}.")
    bounds = [(int(part[1] or 0), int(part[2]) if part[2] else None) for part in found if part]
    return (*bounds, *[(0, None)] * (3 - len(bounds)))


_REGION_OPTION = click.option(
    "--region",
    metavar="Z0:Z1,Y0:Y1,X0:X1",
    default="",
    callback=_read_region,
    help="Predict this part alone, as it is in the whole stack; a part of it that is left out "
    "is all of the axis.",
)
_SCALE_OPTIONS = (
    click.option(
        "--resample",
        is_flag=True,
        help="Predict at the pixel size of the model's training; results are at the stack's.",
    ),
    click.option(
        "--pixel-size",
        metavar="NM",
        default="",
        callback=_read_pixel_size,
        help="The stack's pixel size in nm, or Y,X; for results as well.  [default: the file's]",
    ),
)


def scale_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say at which scale stacks are predicted.

    The command gets it as ``scale``: a :class:`StackScale`.
    """

    @wraps(command)
    def collect(resample: bool, pixel_size: PixelSize | None, **given: Any) -> Any:
        return command(scale=StackScale(resample, pixel_size), **given)

    for option in reversed(_SCALE_OPTIONS):
        collect = option(collect)
    return collect


def part_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say which part of stacks is predicted, and at which scale.

    The command gets both as ``parts``: a :class:`PartOptions`.
    """

    @wraps(command)
    def collect(region: Bounds, scale: StackScale, **given: Any) -> Any:
        return command(parts=PartOptions(region, scale), **given)

    return _REGION_OPTION(scale_options(collect))


@dataclass(frozen=True)
class StackPart:
    """What is predicted of a stack, and how large it is.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    pixel_size : PixelSize or None
        The stack's, in nm.
    offset : Offset
        Where the part begins.
    indices : range
        The slices.
    view : SliceView
        The part of each, and its scale.
    """

    shape: tuple[int, int, int]
    pixel_size: PixelSize | None
    offset: Offset
    indices: range
    view: SliceView

    @property
    def place(self) -> dict[str, Any]:
        """What a file keeps of where the part lies, see :class:`StackWriter`."""
        return {"pixel_size": self.pixel_size, "offset": self.offset}


@dataclass(frozen=True)
class PartOptions:
    """What ``--region``, ``--resample`` and ``--pixel-size`` say of the stacks of a command."""

    region: Bounds
    scale: StackScale

    def part_of(self, stack: Stack, card: ModelCard) -> StackPart:
        """Find the part of a stack, and say what speaks against predicting it at its scale.

        Raises
        ------
        UserError
            If the region is not in the stack, or the stack can't be resampled.
        """
        indices, rows, columns = (
            _range_of(axis, bounds, length, stack.path)
            for axis, bounds, length in zip("ZYX", self.region, stack.shape, strict=True)
        )
        shape = len(indices), len(rows), len(columns)
        window = None if shape[1:] == stack.shape[1:] else (rows, columns)
        self.scale.tell(card, stack)
        view = SliceView(self.scale.zoom(card, stack), window)
        size = self.scale.size_of(stack)
        corner = indices.start, rows.start, columns.start
        return StackPart(shape, size, _moved(stack.offset, corner, size), indices, view)


def _moved(offset: Offset, corner: tuple[int, int, int], size: PixelSize | None) -> Offset:
    """Give the offset of a part that begins at a pixel (z, y, x) of a stack."""
    sides = (0.0, 0.0, 0.0) if size is None else (size.z or 0.0, size.y, size.x)
    z, y, x = (
        start + pixel * side for start, pixel, side in zip(offset, corner, sides, strict=True)
    )
    return z, y, x


def _range_of(axis: str, bounds: tuple[int, int | None], length: int, path: Path) -> range:
    start, stop = bounds
    found = range(start, length if stop is None else stop)
    if not found:
        raise UserError(
            f"The region is empty along {axis}: {found.start}:{found.stop}.", f"Give it {_FORM}."
        )
    if found.stop > length:
        raise UserError(
            f"The region reaches to {found.stop} along {axis}, but {path} to {length}.",
            f"Give a region within 0:{length}.",
        )
    return found
