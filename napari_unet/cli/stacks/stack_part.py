"""Options that say which part of a stack is predicted, and at which scale."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from training.console import hint, warn
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.formats.stack import Stack
from training.masks.result_warnings import size_hint, size_warning
from training.model.model_card import ModelCard
from training.model.slice_view import SliceView, resampling_zoom, size_of_training

Bounds = tuple[tuple[int, int | None], ...]  # along Z, Y and X; None: to the end
_RANGE = re.compile(r"(\d{0,15}):(\d{0,15})|")
_FORM = "as in 10:20,0:512,0:512, from the first pixel of each axis to before the last"


def _read_pixel_size(_: click.Context, __: click.Parameter, value: str) -> PixelSize | None:
    sides = value.split(",")
    try:
        size = PixelSize.of(None, float(sides[0]), float(sides[-1])) if value else None
    except ValueError:
        size = None
    if value and (size is None or len(sides) > 2):
        raise click.BadParameter(f"{value} is not a size in nm, such as 4, or 4,5 along Y and X.")
    return size


def _read_region(_: click.Context, __: click.Parameter, value: str) -> Bounds:
    found = [_RANGE.fullmatch(part.strip()) for part in value.split(",")]
    if len(found) > 3 or not all(found):
        raise click.BadParameter(f"{value} is not a region {_FORM}.")
    bounds = [(int(part[1] or 0), int(part[2]) if part[2] else None) for part in found if part]
    return (*bounds, *[(0, None)] * (3 - len(bounds)))


_OPTIONS = (
    click.option(
        "--region",
        metavar="Z0:Z1,Y0:Y1,X0:X1",
        default="",
        callback=_read_region,
        help="Predict this part alone, as it is in the whole stack; a part of it that is left out "
        "is all of the axis.",
    ),
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


def part_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of which :class:`PartOptions` is made."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class StackPart:
    """What is predicted of a stack, and how large it is.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    pixel_size : PixelSize or None
        The stack's, in nm.
    indices : range
        The slices.
    view : SliceView
        The part of each, and its scale.
    """

    shape: tuple[int, int, int]
    pixel_size: PixelSize | None
    indices: range
    view: SliceView


@dataclass(frozen=True)
class PartOptions:
    """What ``--region``, ``--resample`` and ``--pixel-size`` say of the stacks of a command."""

    region: Bounds
    resample: bool
    pixel_size: PixelSize | None

    def check(self, card: ModelCard, model: Path) -> None:
        """Refuse to resample for a model that does not know its pixel size.

        Raises
        ------
        UserError
        """
        if self.resample:
            size_of_training(card, model)

    def part_of(self, stack: Stack, card: ModelCard) -> StackPart:
        """Find the part of a stack, and say what speaks against predicting it at its scale.

        Raises
        ------
        UserError
            If the region is not in the stack, or the stack can't be resampled.
        """
        size = stack.pixel_size
        if self.pixel_size is not None:
            size = replace(self.pixel_size, z=None if size is None else size.z)
        indices, rows, columns = (
            _range_of(axis, bounds, length, stack.path)
            for axis, bounds, length in zip("ZYX", self.region, stack.shape, strict=True)
        )
        shape = len(indices), len(rows), len(columns)
        window = None if shape[1:] == stack.shape[1:] else (rows, columns)
        view = SliceView(self._zoom(size, card, stack.path), window)
        return StackPart(shape, size, indices, view)

    def _zoom(self, size: PixelSize | None, card: ModelCard, path: Path) -> tuple[float, float]:
        trained = card.pixel_size
        if not self.resample or trained is None:
            warn(size_warning(trained, size, "Add --resample, or --pixel-size if that is wrong."))
            hint(size_hint(trained, size, "If they differ, add --resample and --pixel-size."))
            return 1.0, 1.0
        return resampling_zoom(trained, size, str(path))


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
