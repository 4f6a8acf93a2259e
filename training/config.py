"""The complete configuration of a run: one frozen dataclass."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from training import __version__
from training.config_options import LARGEST_INTEGER, advanced, check_value, option
from training.data_pairs import DataPair, read_names, read_pairs
from training.errors import UserError, blame_version
from training.files.untrusted_files import parse_json
from training.label_classes import MOST_CLASSES, LabelClasses
from training.label_convention import WIDEST_BORDER, IdBorders, LabelConvention
from training.presets.registry import (
    DEFAULT_PRESET,
    ZOO_PRESET,
    describe_presets,
    find_preset,
    list_presets,
)

FOLDS = 5
STARTER, NO_WEIGHTS = "starter", "none"  # weights that are not in a file of a person's
DEVICE_PATTERN = re.compile(r"auto|cpu|ascend(:\d{1,4})?")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run.

    Names and defaults are those of the zoo's ``unet_medical_config.yaml``. Make a preset's
    configuration with :func:`preset_config`, not from this class's defaults.

    Raises
    ------
    UserError
        If a value has the wrong type, is out of its range, or is not one of its choices.
    """

    preset: str = option(
        ZOO_PRESET,
        "Network",
        describe_presets(),
        choices=tuple(list_presets()),
        flag="preset",
    )
    data_url: str = option(
        "",
        "Data folder",
        "Folder of the volumes: train-volume.tif and train-labels.tif; images/ beside labels/ or "
        "masks/; a.tif beside a_labels.tif; or an HDF5 file laid out as CREMI's.",
        flag="data",
        is_path=True,
    )
    image: str = advanced(
        "",
        "Image stack",
        "TIF of the images; empty: train-volume.tif in the data folder.",
        flag="image",
        is_path=True,
    )
    labels: str = advanced(
        "",
        "Label stack",
        "TIF of the labels; empty: train-labels.tif in the data folder.",
        flag="labels",
        is_path=True,
    )
    pairs: tuple[DataPair, ...] = advanced(
        (),
        "Volumes",
        "Several volumes to train on, in place of data_url, image and labels: each a list of its "
        "images, its labels and, unless it is to be recognised, their convention.",
    )
    hold_out: tuple[str, ...] = advanced(
        (),
        "Volumes held out",
        "Volumes, by name, that validate as a whole; all of the others is trained on then.",
    )
    label_convention: LabelConvention = option(
        LabelConvention.ISBI,
        "Labels",
        "isbi: 0 is membrane. membrane: every other value than 0 is membrane. "
        "sparse: 1 is membrane, 2 is inside, 0 is unknown. instances: each cell has an id. "
        "classes: each value is one of the classes.",
        choices=tuple(LabelConvention),
        flag="convention",
    )
    border: int = advanced(
        1,
        "Border of ids",
        "Labels of the convention instances are membrane within this many pixels of another id; "
        "0: only where they are 0.",
        minimum=0,
        maximum=WIDEST_BORDER,
        flag="border",
    )
    unknown: str = advanced(
        "none",
        "Unknown id",
        "0: where labels of the convention instances are 0, they are unknown and not membrane.",
        choices=("none", "0"),
        flag="unknown",
    )
    classes: str = advanced(
        "",
        "Classes",
        "Names of the labels' values 1, 2, ..., such as membrane,mitochondria; or with values: "
        "membrane=1,mitochondria=2. 0 is background, unless it is named, or unknown=0. "
        "Empty: membrane and inside.",
        flag="classes",
    )
    corrected_slices: str = advanced(
        "",
        "Corrected slices",
        "Slices with sparse labels that count corrected_weight, such as 3,9; empty: those that the "
        "label stack names. Those of several volumes are numbered on from one to the next.",
    )
    corrected_weight: float = advanced(
        2.0,
        "Weight of corrections",
        "How much a pixel of a corrected slice counts; a pixel of another slice counts 1.",
        minimum=0.1,
        maximum=100,
    )
    preview_slice: int = advanced(
        -1,
        "Slice previewed",
        "Labelled slice to predict after each validation, to look at; -1 (auto): the first one "
        "held out, or in the window the one that is displayed.",
        minimum=-1,
        automatic=-1,
    )
    device: str = advanced(
        "auto",
        "Device",
        "auto (an idle NPU, else the CPU), cpu, ascend, or ascend:ID, as npu-smi numbers them.",
        flag="device",
    )
    precision: str = advanced(
        "auto",
        "Precision",
        "What the network computes in; its weights stay float32. auto: float16 for medical on an "
        "NPU, else float32. bfloat16 needs an Ascend 910B or newer.",
        choices=("auto", "float16", "bfloat16", "float32"),
        flag="precision",
    )
    jit_level: str = advanced(
        "auto",
        "Compilation",
        "MindSpore's jit_level. auto: the chip's own default. O0: kernel by kernel. O1: fused "
        "kernels. O2: the whole graph at once, for an Ascend 910A.",
        choices=("auto", "O0", "O1", "O2"),
        flag="jit-level",
    )
    cross_valid_ind: int = advanced(
        1,
        "Fold",
        "Which fifth of the slices is held out for validation.",
        minimum=0,
        maximum=FOLDS - 1,
        flag="fold",
    )
    valid_slices: str = advanced(
        "",
        "Slices held out",
        "Such as 3,9; empty: those of the fold. Those of several volumes are numbered on.",
    )
    epochs: int = option(
        400,
        "Epochs",
        "Passes over the training slices, on one device.",
        minimum=1,
        flag="epochs",
    )
    distribute_epochs: int = advanced(
        1600,
        "Epochs, distributed",
        "Passes over the training slices, on several devices.",
        minimum=1,
    )
    steps: int = advanced(
        0,
        "Steps",
        "End after this many optimizer steps; 0 (auto): after the epochs.",
        minimum=0,
        automatic=0,
        flag="steps",
    )
    seed: int = advanced(
        1,
        "Seed",
        "Decides the initial weights and the augmentation.",
        minimum=0,
        maximum=LARGEST_INTEGER,
        flag="seed",
    )
    batchsize: int = advanced(16, "Batch size", "Images per step, per device.", minimum=1)
    lr: float = advanced(
        1e-4,
        "Learning rate",
        "Peak learning rate of Adam; 0: chosen by the number of steps.",
        minimum=0,
        automatic=0,
    )
    lr_schedule: str = advanced(
        "constant",
        "Schedule",
        "constant: the same rate throughout. one_cycle: up to the rate, then down by a cosine.",
        choices=("constant", "one_cycle"),
    )
    average_weights: bool = advanced(
        False,
        "Average the weights",
        "Validate and keep the mean of the weights over the last tenth of the steps, "
        "exponentially weighted.",
    )
    weight_decay: float = advanced(
        5e-4, "Weight decay", "Pull of the weights towards zero.", minimum=0
    )
    loss_scale: float = advanced(
        1024.0, "Loss scale", "Factor that the optimizer takes out of the gradients.", minimum=1
    )
    FixedLossScaleManager: float = advanced(
        1024.0,
        "Loss scale manager",
        "Factor on the loss, against underflow in half precision.",
        minimum=1,
    )
    num_classes: int = advanced(
        2,
        "Number of classes",
        "Membrane and inside; of named classes as many as there are, the background included.",
        minimum=2,
        maximum=MOST_CLASSES,
    )
    num_channels: int = advanced(
        1, "Channels", "Channels of the input image.", minimum=1, maximum=1
    )
    flips: float = advanced(
        1.0,
        "Flips",
        "Share of the steps, from the first on, whose images are flipped and turned at random.",
        minimum=0,
        maximum=1,
    )
    gamma: float = advanced(
        0.0,
        "Gamma",
        "Every image is raised to a power of up to e to this, and down to its inverse.",
        minimum=0,
        maximum=2,
    )
    contrast: float = advanced(
        0.0,
        "Contrast",
        "The contrast of every image is changed by up to a factor of e to this power.",
        minimum=0,
        maximum=2,
    )
    brightness: float = advanced(
        0.0,
        "Brightness",
        "Up to this much is added to every image, whose intensities are from -1 to 1.",
        minimum=0,
        maximum=1,
    )
    keep_checkpoint_max: int = advanced(
        10, "Checkpoints kept", "The newest ones, beside the best.", minimum=1
    )
    eval_interval: int = advanced(
        0,
        "Validate every",
        "Epochs between validations; 0: about 24 validations in a run, on an NPU at least a "
        "minute apart.",
        minimum=0,
        automatic=0,
    )
    patience: int = advanced(
        0,
        "Patience",
        "Validations without a better model after which the training comes to its end: the "
        "learning rate falls for a tenth of the steps so far. 0: never.",
        minimum=0,
        flag="patience",
    )
    weights: str = advanced(
        NO_WEIGHTS,
        "Start from",
        "What a new run begins from. starter: the model that comes with this package, of the "
        "network compact. none: fresh weights. Else a .ckpt or .safetensors file, or a run, whose "
        "best model is trained on then, and compared with the new one.",
        flag="weights",
        is_path=True,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", read_pairs(self.pairs))
        object.__setattr__(self, "hold_out", read_names(self.hold_out))
        for declared in fields(self):
            check_value(declared, getattr(self, declared.name))
        object.__setattr__(self, "label_convention", LabelConvention(self.label_convention))
        self.ids.check_for(self.label_convention)
        self._settle_classes()
        if not DEVICE_PATTERN.fullmatch(self.device):
            raise UserError(
                f"The device '{self.device:.99}' is unknown.", "Use auto, cpu, ascend or ascend:ID."
            )
        for name in ("corrected_slices", "valid_slices"):
            parse_numbers(getattr(self, name), name)
        if self.pairs and (self.data_url or self.image or self.labels):
            raise UserError(
                "The data are named twice: by pairs, and by data_url, image or labels.",
                "Give the one or the other.",
            )
        if self.weights == STARTER and not find_preset(self.preset).has_starter:
            raise UserError(
                f"There is no starter for {self.preset}.", "Give none, a run or a file as weights."
            )
        if not self.weights:
            raise UserError("weights is empty.", "Give starter, none, a run or a file.")

    def _settle_classes(self) -> None:
        """Check the classes, and count them where that is left to us."""
        classes = self.label_classes
        is_asked = self.label_convention == LabelConvention.CLASSES
        if is_asked and not classes:
            raise UserError(
                "The labels' values are classes, but these have no names.",
                "Name them, such as --classes membrane,mitochondria.",
            )
        if classes and not is_asked:
            raise UserError(
                f"Classes are named, but the labels' convention is {self.label_convention}.",
                "Leave out the convention, or the classes.",
            )
        usual = TrainingConfig.__dataclass_fields__["num_classes"].default
        wanted = len(classes) or usual
        if self.num_classes not in (wanted, usual):
            raise UserError(
                f"num_classes is {self.num_classes}, but there are {wanted} classes: "
                f"{classes.describe() if classes else 'membrane and inside'}.",
                "Name the classes by --classes, and leave out num_classes.",
            )
        object.__setattr__(self, "num_classes", wanted)

    @property
    def label_classes(self) -> LabelClasses:
        """The classes that are named; empty: membrane and inside."""
        return LabelClasses.parse(self.classes)

    @property
    def ids(self) -> IdBorders:
        """Which pixels are membrane, of labels that are ids."""
        return IdBorders(self.border, self.unknown == "0")

    def replace(self, **changes: Any) -> TrainingConfig:
        """Give a copy with some options changed.

        Raises
        ------
        UserError
            If there is no such option, or a value is out of its range.
        """
        _refuse_unknown(changes)
        if changes.get("classes", self.classes) != self.classes:
            convention = LabelConvention.CLASSES if changes["classes"] else LabelConvention.ISBI
            changes = {"label_convention": convention, "num_classes": 2, **changes}
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """Write every option, and the version that wrote it, as the text of a config.json."""
        document = {"version": __version__, **dataclasses.asdict(self)}
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "the configuration") -> TrainingConfig:
        """Read what :meth:`to_json` wrote, or a part of it; the rest is the preset's.

        Parameters
        ----------
        text : str
            The document.
        source : str
            Where it comes from, for the message of an error.

        Raises
        ------
        UserError
            If it is not JSON, or has an unknown option or a bad value; it says so if a newer
            version wrote it.
        """
        document, version = _read(text, source)
        try:
            return preset_config(document.pop("preset", DEFAULT_PRESET), **document)
        except UserError as error:
            of_newer = blame_version(error, source, version)
            if of_newer is not error:
                raise of_newer from error
            raise UserError(f"{source}: {error.problem}", error.remedy) from error

    @classmethod
    def options_of(cls, text: str, source: str) -> dict[str, Any]:
        """Read the options that a document names, and no others; as :meth:`from_json`."""
        config = cls.from_json(text, source)
        return {name: getattr(config, name) for name in _read(text, source)[0]}


def _read(text: str, source: str) -> tuple[dict[str, Any], Any]:
    """Read the options of a document, and the version that wrote it."""
    try:
        document = parse_json(text)
    except ValueError as error:
        raise UserError(f"{source} is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise UserError(f"{source} does not hold a configuration.", "It must be a JSON object.")
    version = document.pop("version", None)
    return document, version


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    known = {declared.name for declared in fields(TrainingConfig)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise UserError(
            f"Unknown option: {', '.join(unknown):.99}.", f"Known are: {', '.join(sorted(known))}."
        )


def parse_numbers(text: str, option: str) -> list[int]:
    """Read the value of an option that lists slices or devices, such as "3,9".

    Raises
    ------
    UserError
        If it is not a list of numbers from 0 on; it names the option.
    """
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise UserError(
            f"{option} is '{text:.99}', which is not a list of numbers.",
            "Give numbers from 0 on, with commas, such as 3,9.",
        )
    return [int(part) for part in parts]


def format_numbers(numbers: Iterable[int]) -> str:
    """Write the text that :func:`parse_numbers` reads."""
    return ",".join(map(str, numbers))


def preset_config(preset: str, **changes: Any) -> TrainingConfig:
    """Make a preset's configuration with some options changed.

    With ``label_convention="sparse"`` it is the one for few labels.

    Raises
    ------
    UserError
        If there is no such preset or option, or a value is out of its range.
    """
    record = find_preset(preset)
    is_sparse = changes.get("label_convention") == LabelConvention.SPARSE
    recipe = record.sparse_recipe if is_sparse else {}
    config = TrainingConfig(preset=record.name)
    return config.replace(**{**record.defaults, **recipe, **changes})


def preset_options() -> list[str]:
    """List the options in which presets differ, but for their name."""
    configs = [preset_config(name) for name in list_presets()]
    return [
        declared.name
        for declared in fields(TrainingConfig)
        if declared.name != "preset"
        and len({getattr(config, declared.name) for config in configs}) > 1
    ]
