"""A picture of predictions beside the ground truth: a row a slice, in colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from napari_unet.layers.colors import ERROR_COLOR, PREDICTION_COLOR, TRUTH_COLOR
from training.label_classes import DICE_OF, NO_CHANNEL, LabelClasses
from training.metrics.class_metrics import class_overlap
from training.metrics.pixel_metrics import overlap_figures

COLUMNS = ("Image", "Ground truth", "Prediction", "Errors")
PANEL = 512  # pixels: longer side of a panel
GAP = 16
LABEL_WIDTH, HEADER_HEIGHT, LEGEND_HEIGHT = 220, 68, 80
CAPTION_HEIGHT = 44
TEXT_COLOR, FAINT_COLOR = "#202020", "#606060"
HIT_COLOR = "#606060"
UNKNOWN_COLOR = "#BEBEBE"
MEMBRANE_COLOR = "#000000"
Legend = Sequence[tuple[str, str]]
"""Colours, each with what it is."""
MEMBRANE_LEGEND: Legend = (
    (HIT_COLOR, "membrane found"),
    (PREDICTION_COLOR, "false positive: only predicted"),
    (TRUTH_COLOR, "false negative: missed"),
)


@dataclass(frozen=True)
class SheetRow:
    """A slice of the sheet.

    Parameters
    ----------
    index : int
        Index of the slice in its stack, from 0.
    image : array (Y, X)
        Intensities of any real dtype; stretched between their 1st and 99th percentiles.
    truth, predicted, errors : arrays (Y, X, 3) of uint8
        Colours.
    captions : tuple of str
        Figures beside it.
    """

    index: int
    image: NDArray[Any]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    errors: NDArray[np.uint8]
    captions: tuple[str, ...]

    @classmethod
    def of_membrane(
        cls,
        index: int,
        image: NDArray[Any],
        truth: NDArray[np.bool_],
        predicted: NDArray[np.bool_],
        known: NDArray[np.bool_] | None = None,
    ) -> SheetRow:
        """Draw membrane in black, as in ISBI's files, and errors as in the window's layer of them.

        Arrays are (Y, X) of bool but for the image, ``truth`` and ``predicted`` True where membrane
        is, ``known`` where a pixel has a label; the others are grey, and are never wrong. By
        default all are known.
        """
        known = np.ones(truth.shape, bool) if known is None else known
        dice = overlap_figures(predicted[known], truth[known])["dice"]
        return cls(
            index,
            image,
            _paint(truth.shape, (truth, MEMBRANE_COLOR), (~known, UNKNOWN_COLOR)),
            _paint(truth.shape, (predicted, MEMBRANE_COLOR)),
            _paint(truth.shape, (truth & predicted & known, HIT_COLOR),
                   (predicted & ~truth & known, PREDICTION_COLOR),
                   (truth & ~predicted & known, TRUTH_COLOR)),
            (f"Dice {dice:.3f}",),
        )  # fmt: skip

    @classmethod
    def of_classes(
        cls,
        index: int,
        image: NDArray[Any],
        truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
        classes: LabelClasses,
    ) -> SheetRow:
        """Draw classes in their colours, and errors in one.

        ``truth`` and ``predicted`` are channels (Y, X) of uint8; 255: unknown, which is never
        wrong.
        """
        known = truth != NO_CHANNEL
        figures = class_overlap(predicted[known], truth[known], classes)
        named = [
            f"{name.removeprefix(DICE_OF)} {dice:.3f}"
            for name, dice in figures.items()
            if name.startswith(DICE_OF)
        ]
        is_thing = np.isin(truth, classes.things)
        return cls(
            index,
            image,
            _paint_classes(truth, classes),
            _paint_classes(predicted, classes),
            _paint(truth.shape, (is_thing & (predicted == truth), HIT_COLOR),
                   (known & (predicted != truth), ERROR_COLOR)),
            (f"Dice {figures['dice']:.3f}", *named),
        )  # fmt: skip


def class_legend(classes: LabelClasses) -> Legend:
    """Name the colours of a sheet of classes."""
    things = [classes.members[channel] for channel in classes.things]
    return (
        *((member.color, member.name) for member in things),
        (HIT_COLOR, "the right class"),
        (ERROR_COLOR, "a wrong class"),
        (UNKNOWN_COLOR, "unknown"),
    )


def contact_sheet(
    rows: Sequence[SheetRow], title: str = "", legend: Legend = MEMBRANE_LEGEND
) -> bytes:
    """Draw image | ground truth | prediction | errors of some slices.

    Colour-blind people tell the usual colours apart.

    Parameters
    ----------
    rows : sequence of SheetRow
        All of one shape.
    title : str
        Line above the sheet.
    legend : sequence of (str, str)
        Below it.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    if not rows:
        raise ValueError("A contact sheet needs a slice.")
    width, height = _panel_size(rows[0].image.shape)
    captions = [caption for row in rows for caption in row.captions]
    left = max(LABEL_WIDTH, *(round(_font(28).getlength(text)) + 2 * GAP for text in captions))
    height_of_row = max(height, *(CAPTION_HEIGHT * (1 + len(row.captions)) for row in rows))
    top = HEADER_HEIGHT * (2 if title else 1)
    bottom = top + len(rows) * (height_of_row + GAP)
    right = left + len(COLUMNS) * (width + GAP)
    places = _place_legend(legend, left, right)
    sheet = Image.new("RGB", (right, bottom + LEGEND_HEIGHT * (places[-1][1] + 1)), "white")
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((GAP, HEADER_HEIGHT / 2), title, TEXT_COLOR, _font(34), anchor="lm")
    for column, name in enumerate(COLUMNS):
        middle = left + column * (width + GAP) + width / 2
        draw.text((middle, top - HEADER_HEIGHT / 2), name, TEXT_COLOR, _font(32), anchor="mm")
    for number, row in enumerate(rows):
        y = top + number * (height_of_row + GAP)
        _label(draw, row, y + height / 2)
        for column, panel in enumerate(_panels(row, (width, height))):
            sheet.paste(panel, (left + column * (width + GAP), y))
    for (color, text), (x, line) in zip(legend, places, strict=True):
        middle = bottom + LEGEND_HEIGHT * (line + 0.5)
        draw.rectangle(((x, middle - 14), (x + 28, middle + 14)), fill=color)
        draw.text((x + 44, middle), text, TEXT_COLOR, _font(28), anchor="lm")
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _panel_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a panel for slices of a shape (Y, X)."""
    scale = PANEL / max(shape)
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _panels(row: SheetRow, size: tuple[int, int]) -> list[Image.Image]:
    arrays = _stretch(row.image), row.truth, row.predicted, row.errors
    panels = [Image.fromarray(array).convert("RGB") for array in arrays]
    # A box filter keeps the colours of single pixels where it makes a large slice small.
    panels = [panel.resize(size, Image.Resampling.BOX) for panel in panels]
    for panel in panels:
        corner = (panel.width - 1, panel.height - 1)
        ImageDraw.Draw(panel).rectangle(((0, 0), corner), outline="#B0B0B0")
    return panels


def _paint(shape: tuple[int, ...], *parts: tuple[NDArray[np.bool_], str]) -> NDArray[np.uint8]:
    """Paint parts (Y, X), each over those before it, on white."""
    colors = np.full((*shape, 3), 255, np.uint8)
    for part, color in parts:
        colors[part] = ImageColor.getrgb(color)
    return colors


def _paint_classes(channels: NDArray[np.uint8], classes: LabelClasses) -> NDArray[np.uint8]:
    things = ((channels == place, classes.members[place].color) for place in classes.things)
    return _paint(channels.shape, *things, (channels == NO_CHANNEL, UNKNOWN_COLOR))


def _stretch(image: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (1, 99))
    scaled = (image.astype(np.float64) - low) / max(float(high - low), 1e-12)
    return np.asarray(np.clip(np.rint(255 * scaled), 0, 255), np.uint8)


def _label(draw: ImageDraw.ImageDraw, row: SheetRow, middle: float) -> None:
    y = middle - CAPTION_HEIGHT * len(row.captions) / 2
    draw.text((GAP, y), f"Slice {row.index}", TEXT_COLOR, _font(32), anchor="lm")
    for number, caption in enumerate(row.captions, 1):
        place = GAP, y + number * CAPTION_HEIGHT
        draw.text(place, caption, FAINT_COLOR, _font(28), anchor="lm")


def _place_legend(legend: Legend, left: int, right: int) -> list[tuple[float, int]]:
    """Find where each part of a legend begins, and on which line."""
    places: list[tuple[float, int]] = []
    x, line = float(left), 0
    for _, text in legend:
        length = 44 + _font(28).getlength(text)
        if x + length > right and x > left:
            x, line = float(left), line + 1
        places.append((x, line))
        x += length + 48
    return places


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
