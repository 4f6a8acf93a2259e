"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from math import isnan
from pathlib import Path
from typing import Any

import click

from napari_unet.prediction.predictor import PRECISIONS
from training.config import TrainingConfig, preset_config, preset_options
from training.console import say
from training.dataset.training_pair import TrainingPair, find_pair, open_pair
from training.errors import UserError
from training.label_convention import FINISHED_CONVENTIONS, LabelConvention
from training.presets.registry import DEFAULT_PRESET

model_argument = click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
stacks_argument = click.argument(
    "stacks", metavar="STACK.tif...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Device for OpenVINO, such as cpu or gpu.",
)

precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Arithmetic of the network. auto: bf16 where the processor computes in it, else f32.",
)
tta_option = click.option(
    "--tta",
    is_flag=True,
    help="Take the mean over flips and quarter turns of each slice: eight times the work.",
)
compression_option = click.option(
    "--compression",
    type=click.Choice(["zlib", "none"]),
    default="zlib",
    show_default=True,
    help="Of the files that are written.",
)


class Share(click.FloatRange):
    """Numbers from 0 to 1; click's own range lets NaN pass."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        return self.fail(f"{value} is not a number.", param, ctx) if isnan(number) else number


def convention_option(
    name: str, choices: Sequence[LabelConvention] = FINISHED_CONVENTIONS, **attributes: Any
) -> Callable[..., Any]:
    """Make an option that gives a :class:`LabelConvention` of finished labels, or None."""
    return click.option(
        name,
        type=click.Choice([convention.value for convention in choices]),
        callback=lambda context, parameter, value: value and LabelConvention(value),
        **attributes,
    )


_DATA_OPTIONS = (
    click.option("--image", default="", metavar="FILE", help="Another image stack."),
    click.option("--labels", default="", metavar="FILE", help="Another label stack."),
    convention_option(
        "--convention",
        help="Of the labels. isbi: 0 is membrane. membrane: every other value is. instances: each "
        "cell has a number.  [default: guessed from the labels, and printed]",
    ),
)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Names and convention of a training stack, beside its folder in ``--data``."""
    for option in reversed(_DATA_OPTIONS):
        command = option(command)
    return command


@contextmanager
def open_data(
    data: Path | None, image: str, labels: str, convention: LabelConvention | None
) -> Iterator[TrainingPair]:
    """Open images and labels by ``--data``, ``--image`` and ``--labels``; say how they are read.

    Raises
    ------
    UserError
        If too few of them are given, or as :func:`training.dataset.training_pair.open_pair`.
    """
    if data is None and not (image and labels):
        raise UserError("No data is given.", "Give --data DIR, or --image and --labels.")
    with open_pair(*find_pair(data or "", image, labels), convention) as pair:
        for sentence in pair.meaning.describe():
            say(sentence)
        yield pair


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a training's configuration; those that are not given are None."""
    config = preset_config(DEFAULT_PRESET)
    defaults = {declared.name: getattr(config, declared.name) for declared in fields(config)}
    defaults |= dict.fromkeys(preset_options(), "the network's")
    defaults["label_convention"] = "guessed from the labels, and printed"
    for declared in reversed(fields(TrainingConfig)):
        if declared.metadata["flag"]:
            command = _config_option(declared, defaults[declared.name])(command)
    return command


def _config_option(declared: Field[Any], default: Any) -> Callable[..., Any]:
    metadata = declared.metadata
    return described_option(
        metadata["flag"],
        declared.name,
        kind=type(declared.default),
        choices=[str(choice) for choice in metadata["choices"]],
        is_path=metadata["is_path"],
        help=metadata["help"],
        default=default,
    )


def described_option(
    flag: str,
    name: str,
    *,
    kind: type,
    choices: Sequence[str],
    is_path: bool,
    help: str,
    default: Any,
    **attributes: Any,
) -> Callable[..., Any]:
    """Make an option of a command from what a schema says of a field.

    Parameters
    ----------
    default : any
        What holds where it is not given, shown in its help; None or empty: nothing is shown.
    attributes
        More for ``click.option``.
    """
    shown = "" if default in (None, "") else f"  [default: {default}]"
    return click.option(
        f"--{flag}",
        name,
        type=click.Choice(choices) if choices else kind,
        metavar="PATH" if is_path else None,
        help=help + shown,
        **attributes,
    )
