"""Options that say which part of a stack is predicted, and at which scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from napari_unet.prediction.part_prediction import PartPrediction
from napari_unet.prediction.predictor import Predictor
from training.console import say, warn
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.formats.stack import Stack
from training.model.stack_part import Bounds, parse_region
from training.model.stack_scale import StackScale, parse_pixel_size
from training.stacks.intensities import Membranes


def _read_pixel_size(_: click.Context, __: click.Parameter, value: str) -> PixelSize | None:
    try:
        return parse_pixel_size(value) if value else None
    except UserError as error:
        raise click.BadParameter(str(error)) from error


def _read_region(_: click.Context, __: click.Parameter, value: str) -> Bounds:
    try:
        return parse_region(value)
    except UserError as error:
        raise click.BadParameter(str(error)) from error


_REGION_OPTION = click.option(
    "--region",
    metavar="Z0:Z1,Y0:Y1,X0:X1",
    default="",
    callback=_read_region,
    help="Predict this part alone, as it is in the whole stack; a part of it that is left out "
    "is all of the axis.",
)
pixel_size_option = click.option(
    "--pixel-size",
    metavar="NM",
    default="",
    callback=_read_pixel_size,
    help="The stack's pixel size in nm: one number, Y,X or Z,Y,X; for results as well.  [default: "
    "the file's]",
)
_SCALE_OPTIONS = (
    click.option(
        "--resample",
        is_flag=True,
        help="Predict at the pixel size of the model's training; results are at the stack's.",
    ),
    pixel_size_option,
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
class PartOptions:
    """What ``--region``, ``--resample`` and ``--pixel-size`` say of the stacks of a command."""

    region: Bounds
    scale: StackScale

    def predict(self, predictor: Predictor, stack: Stack, membranes: Membranes) -> PartPrediction:
        """Begin to predict a stack, and say how it is taken and what speaks against it.

        Raises
        ------
        UserError
            As :class:`PartPrediction`.
        """
        prediction = PartPrediction(predictor, stack, self.region, self.scale, membranes)
        if prediction.note:
            say(prediction.note)
        warn(prediction.warning)
        self.scale.tell(predictor.card, stack)
        return prediction
