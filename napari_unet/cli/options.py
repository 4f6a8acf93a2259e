"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import Field, dataclass, fields
from functools import partial, wraps
from math import isnan
from pathlib import Path
from typing import Any, TypeVar

import click

from napari_unet.prediction.engine import ENGINES, PRECISIONS
from napari_unet.prediction.onnx_runtime import PROVIDERS
from napari_unet.runs.id_borders import borders_of, classes_of
from training.class_thresholds import Thresholds
from training.config import TrainingConfig, preset_config, preset_options
from training.config_options import LARGEST_INTEGER
from training.console import say
from training.dataset.pair_search import find_pair, find_pairs
from training.dataset.training_pair import OpenLabels, TrainingPair, open_pair
from training.dataset.volumes import name_volumes
from training.errors import UserError
from training.formats.location import FILE_ENDINGS, is_array_folder, is_slice_folder, locate
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import (
    FINISHED_CONVENTIONS,
    USUAL_BORDERS,
    WIDEST_BORDER,
    IdBorders,
    LabelConvention,
)
from training.masks.writer_choice import is_stack_name
from training.masks.zarr_image import OME_ZARR_VERSIONS
from training.model.starter_model import named_model
from training.presets.registry import DEFAULT_PRESET
from training.runs.run_paths import RunPaths
from training.stacks.intensities import Membranes

_Labels = TypeVar("_Labels", bound=OpenLabels)


class ModelPath(click.Path):
    """What a model is in: a run's folder, a file, or the starter by its name."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(named_model(value), param, ctx)


def is_mask_path(path: Path) -> bool:
    """Whether a path names a stack, which is a mask, and not a model."""
    if RunPaths(path).config.exists():
        return False
    container = locate(path).container
    is_file = is_stack_name(path) or container.suffix.lower() in FILE_ENDINGS
    return is_file or is_array_folder(container) or is_slice_folder(path)


model_argument = click.argument("model", metavar="MODEL", type=ModelPath())
stacks_argument = click.argument(
    "stacks", metavar="STACK.tif...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="What it computes on. For OpenVINO: cpu, gpu or another of its devices. For ONNX Runtime: "
    f"{', '.join(PROVIDERS)}.",
)
engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="What computes the network.",
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
membranes_option = click.option(
    "--membranes",
    type=click.Choice([membranes.value for membranes in Membranes]),
    default=Membranes.AUTO.value,
    show_default=True,
    callback=lambda context, parameter, value: Membranes(value),
    help="Of the stack: dark or light. auto: found out for the starter, else as in the training.",
)
compression_option = click.option(
    "--compression",
    type=click.Choice(["zlib", "none"]),
    default="zlib",
    show_default=True,
    help="Of the files that are written.",
)

ome_zarr_option = click.option(
    "--ome-zarr",
    type=click.Choice(OME_ZARR_VERSIONS),
    default=OME_ZARR_VERSIONS[0],
    show_default=True,
    help="Version of OME-Zarr, of what is named .zarr.",
)


def _read_memory(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and isnan(value):
        raise click.BadParameter("nan is not a number of GB.")
    return None if value is None else value * 1e9


memory_option = click.option(
    "--memory",
    metavar="GB",
    type=click.FloatRange(min=0, min_open=True),
    callback=_read_memory,
    help="What results in .zarr may take of the memory.  [default: half of what is free]",
)


def format_option(formats: Sequence[str]) -> Callable[..., Any]:
    """Make the option ``file_format``: one of some formats, or None."""
    return click.option(
        "--format",
        "file_format",
        type=click.Choice(formats),
        help="Of results that go to a folder.  [default: tif]",
    )


def _read_thresholds(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> Thresholds:
    try:
        return Thresholds.parse(texts)
    except UserError as error:
        raise click.BadParameter(str(error)) from error


def threshold_option(of_membrane: str) -> Callable[..., Any]:
    """Make the repeatable option ``thresholds``; of a model without classes its help says more."""
    return click.option(
        "--threshold",
        "thresholds",
        metavar="NUMBER|NAME=NUMBER",
        multiple=True,
        callback=_read_thresholds,
        help=f"Probability from which on a pixel is membrane{of_membrane}; [default: the model's, "
        "0.5]. NAME=NUMBER, of a model of several classes: from which on a pixel is of this one; "
        "likelier ones with a threshold go first. [repeatable; default: the likeliest class]",
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
        "cell has an id.  [default: guessed from the labels, and printed]",
    ),
    click.option(
        "--classes",
        default="",
        metavar="NAMES",
        help="Of labels of several classes, as train has it.  [default: as the file or the model "
        "names them]",
    ),
    click.option(
        "--border",
        type=click.IntRange(0, WIDEST_BORDER),
        help="Labels that are ids are membrane within this many pixels of another id; 0: only "
        "where they are 0.  [default: as the model was trained, else 1]",
    ),
    click.option(
        "--unknown",
        type=click.Choice(["none", "0"]),
        help="0: where labels that are ids are 0, they are unknown and not membrane.  [default: "
        "as the model was trained, else none]",
    ),
)


@dataclass(frozen=True)
class DataOptions:
    """The stack that a person named, and how its labels are read; None where it is not given."""

    data: Path | None
    image: str
    labels: str
    convention: LabelConvention | None
    classes: str
    border: int | None
    unknown: str | None

    def __bool__(self) -> bool:
        """Whether data are named."""
        return self.data is not None or bool(self.image or self.labels)

    @contextmanager
    def open(self, models: Sequence[Path]) -> Iterator[TrainingPair]:
        """Open the images and labels, and say how these are read.

        Parameters
        ----------
        models : sequence of Path
            Ids have the borders that these were trained with, where none are given.

        Raises
        ------
        UserError
            If too few of the options are given, or they don't go together; as
            :func:`training.dataset.training_pair.open_pair`.
        """
        if self.data is None and not (self.image and self.labels):
            raise UserError("No data is given.", "Give --data DIR, or --image and --labels.")
        paths = find_pair(self.data or "", self.image, self.labels)
        with self.opened(partial(open_pair, *paths), models, say) as pair:
            yield pair

    @contextmanager
    def open_all(self, models: Sequence[Path]) -> Iterator[list[TrainingPair]]:
        """Open every pair that is named, or found in the folder; as :meth:`open`, which takes one.

        Raises
        ------
        UserError
            As :meth:`open`.
        """
        if self.data is None or self.image or self.labels:
            with self.open(models) as pair:
                yield [pair]
            return
        pairs = find_pairs(self.data)
        names = name_volumes([image for image, _ in pairs])
        with ExitStack() as opened:
            opened_pairs = []
            for paths, name in zip(pairs, names, strict=True):
                start = f"{name}: " if len(pairs) > 1 else ""

                def tell(sentence: str, start: str = start) -> None:
                    say(start + sentence)

                labels = self.opened(partial(open_pair, *paths), models, tell)
                opened_pairs.append(opened.enter_context(labels))
            yield opened_pairs

    @contextmanager
    def opened(
        self,
        open_labels: Callable[..., AbstractContextManager[_Labels]],
        models: Sequence[Path],
        tell: Callable[[str], object],
    ) -> Iterator[_Labels]:
        """Open labels by a function of how they are read, which is told.

        It takes the convention, the borders of ids, and ``classes``.

        Raises
        ------
        UserError
            As :meth:`open`.
        """
        ids = self._ids(models)
        with open_labels(self.convention, ids, classes=self._classes(models)) as labels:
            if (self.border, self.unknown) != (None, None):
                ids.check_for(labels.meaning.convention)
            for sentence in labels.meaning.describe():
                tell(sentence)
            yield labels

    def _classes(self, models: Sequence[Path]) -> LabelClasses:
        """Give the classes that are named, else those of a model, unless a convention is."""
        if self.classes or self.convention is not None:
            return LabelClasses.parse(self.classes)
        found = (classes_of(model) for model in models if not is_mask_path(model))
        return next(filter(None, found), NO_CLASSES)

    def _ids(self, models: Sequence[Path]) -> IdBorders:
        usual = borders_of(models) if None in (self.border, self.unknown) else USUAL_BORDERS
        return IdBorders(
            usual.width if self.border is None else self.border,
            usual.is_zero_unknown if self.unknown is None else self.unknown == "0",
        )


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Names of a training stack, and how its labels are read, beside its folder in ``--data``.

    The command gets them all as ``chosen``: a :class:`DataOptions`.
    """

    @wraps(command)
    def collect(**given: Any) -> Any:
        chosen = {declared.name: given.pop(declared.name) for declared in fields(DataOptions)}
        return command(chosen=DataOptions(**chosen), **given)

    for option in reversed(_DATA_OPTIONS):
        collect = option(collect)
    return collect


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a training's configuration; those that are not given are None or ()."""
    config = preset_config(DEFAULT_PRESET)
    defaults = {declared.name: getattr(config, declared.name) for declared in fields(config)}
    defaults |= dict.fromkeys(preset_options(), "the network's")
    defaults["label_convention"] = "guessed from the labels, and printed"
    for declared in reversed(fields(TrainingConfig)):
        if declared.metadata["flag"]:
            command = _config_option(declared, defaults[declared.name])(command)
    for option in _VOLUME_OPTIONS:
        command = option(command)
    return command


_VOLUME_OPTIONS = (
    click.option(
        "--hold-out",
        "hold_out",
        metavar="NAME",
        multiple=True,
        help="Validate on all of this volume, and train on all of the others.  [repeatable]",
    ),
    click.option(
        "--pair",
        "pairs",
        metavar="IMAGES LABELS",
        type=(str, str),
        multiple=True,
        help="A volume to train on; in place of --data.  [repeatable]",
    ),
)


def _config_option(declared: Field[Any], default: Any) -> Callable[..., Any]:
    metadata = declared.metadata
    kind: Any = type(declared.default)
    if kind is int:  # so that what is out of range is named as the option is
        kind = click.IntRange(metadata["minimum"], metadata["maximum"] or LARGEST_INTEGER)
    return described_option(
        metadata["flag"],
        declared.name,
        kind=kind,
        choices=[str(choice) for choice in metadata["choices"]],
        is_path=metadata["is_path"],
        help=metadata["help"],
        default=default,
    )


def described_option(
    flag: str,
    name: str,
    *,
    kind: Any,
    choices: Sequence[str],
    is_path: bool,
    help: str,
    default: Any,
    **attributes: Any,
) -> Callable[..., Any]:
    """Make an option of a command from what a schema says of a field.

    Parameters
    ----------
    kind : type or click.ParamType
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
