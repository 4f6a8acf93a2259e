"""What a package tells of a model: by whom it is, what may be done with it, how good it is."""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass, field
from pathlib import Path

from napari_unet.runs.run_list import summarize
from training.console import list_names
from training.model.model_card import ModelCard
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, load_state

DEFAULT_LICENSE = "CC-BY-4.0"  # which the zoo recommends
UNET_CITATION = (
    "Ronneberger et al. 2015: U-Net: Convolutional Networks for Biomedical Image Segmentation",
    "10.1007/978-3-319-24574-4_28",
)
LONGEST_NAME, SHORTEST_NAME = 64, 5  # of the zoo's


def default_author() -> str:
    """Name the person that uses this computer."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return "unknown"


@dataclass(frozen=True)
class ModelDescription:
    """What a person says of a model that is passed on.

    Parameters
    ----------
    name : str
        What it is called; empty: what its run or file is.
    authors : tuple of str
        Their names.
    license : str
        An identifier of https://spdx.org/licenses.
    citations : tuple of (str, str)
        Text of each work to cite, and its DOI or address.
    example : Path or None
        A stack of which the middle slice is shown and is in the package as its test; None: a
        picture that is made up.
    """

    name: str = ""
    authors: tuple[str, ...] = field(default_factory=lambda: (default_author(),))
    license: str = DEFAULT_LICENSE
    citations: tuple[tuple[str, str], ...] = (UNET_CITATION,)
    example: Path | None = None

    def name_for(self, model: Path) -> str:
        """Give the model's name in the letters that the zoo allows."""
        named = self.name or _title(model)
        allowed = re.sub(r"[^A-Za-z0-9_+\- ()]+", " ", named).strip()[:LONGEST_NAME]
        return allowed if len(allowed) >= SHORTEST_NAME else f"Membranes {allowed}".strip()


def readme(
    name: str, model: Path, card: ModelCard, description: ModelDescription, smallest: int
) -> str:
    """Write the README of a model's package, in Markdown.

    Parameters
    ----------
    model : Path
        A run's folder, whose figures are told, or a file.
    smallest : int
        Pixels a side of the smallest image.
    """
    scaling = card.scaling
    lines = [
        f"# {name}",
        "",
        _subject(card),
        "",
        f"- Network: `{card.preset}`, a U-Net of napari-unet {card.version}.",
        f"- Intensities: {scaling.dtype}, from {scaling.low:g} to {scaling.high:g}; membranes as "
        "dark or light as in the stack that it was trained on.",
        _size_line(card, smallest),
        *_pixel_lines(card),
        *_class_lines(card),
        f"- Authors: {', '.join(description.authors)}. Licence: {description.license}.",
        "",
        "With napari-unet: `napari-unet predict FILE.zip STACK.tif -o MASK.tif`.",
        "",
        "## Validation",
        "",
        *_figures(model),
        "",
        "Before you rely on it, compare its masks with labels of a few slices of your own.",
        "",
    ]
    return "\n".join(lines)


def _subject(card: ModelCard) -> str:
    what = "Membranes in electron micrographs, as"
    if card.classes:
        what = f"Classes in electron micrographs: {list_names(card.label_classes.names)}, each as"
    return (
        f"{what} a probability for each pixel of a 2-D grey image. Stacks go through it slice by "
        "slice."
    )


def _class_lines(card: ModelCard) -> list[str]:
    """Say when a pixel is membrane, or what the channels are."""
    if not card.classes:
        return [f"- A pixel is membrane from a probability of {card.threshold:g} on."]
    return [
        "- A pixel is of its likeliest class. Channels, with values and colours of masks:",
        *(
            f"    - {channel}: {member.name}, {member.value}, {member.color}"
            for channel, member in enumerate(card.classes)
        ),
    ]


def _size_line(card: ModelCard, smallest: int) -> str:
    geometry = card.geometry
    line = f"- The sides of an image are {smallest} + n * {geometry.divisor} pixels."
    if not geometry.margin:
        return line
    return (
        f"{line} The output is {2 * geometry.margin} pixels smaller: extend an image by "
        f"{geometry.margin} pixels on all sides, by mirroring it."
    )


def _pixel_lines(card: ModelCard) -> list[str]:
    lines = []
    if card.pixel_size is not None:
        lines.append(f"- Pixels of its training: {card.pixel_size.plane}.")
    if card.zoom not in ((1.0, 1.0), None):
        y, x = card.zoom
        lines.append(f"- Resize images by {y:g} (rows) and {x:g} (columns) first.")
    return lines


def _figures(model: Path) -> list[str]:
    state = load_state(RunDirectory(model).events) if model.is_dir() else RunState()
    if state.best_evaluation is None:
        return ["Its figures on held-out slices are not known."]
    rows = [f"| {name} | {value:.4f} |" for name, value in state.best_evaluation["mean"].items()]
    return [
        f"Mean over {len(state.valid_slices)} slices that it was not trained on:",
        "",
        "| figure | value |",
        "| --- | --- |",
        *rows,
    ]


def _title(model: Path) -> str:
    return summarize(RunDirectory(model)).title if model.is_dir() else model.stem
