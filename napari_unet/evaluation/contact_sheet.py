"""A picture of predictions beside the ground truth: a row a slice, errors in colour."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from napari_unet.layers.colors import PREDICTION_COLOR, TRUTH_COLOR
from training.metrics.pixel_metrics import overlap_figures

COLUMNS = ("Image", "Ground truth", "Prediction", "Errors")
PANEL = 512  # pixels: longer side of a panel
GAP = 16
LABEL_WIDTH, HEADER_HEIGHT, LEGEND_HEIGHT = 220, 68, 80
TEXT_COLOR, FAINT_COLOR = "#202020", "#606060"
HIT_COLOR = "#606060"
UNKNOWN_GREY = 190
LEGEND = (
    (HIT_COLOR, "membrane found"),
    (PREDICTION_COLOR, "false positive: only predicted"),
    (TRUTH_COLOR, "false negative: missed"),
)


@dataclass(frozen=True)
class SheetRow:
    """A slice of the sheet. All arrays are (Y, X) of one shape.

    Parameters
    ----------
    index : int
        Index of the slice in its stack, from 0.
    image : array
        Intensities of any real dtype; stretched between their 1st and 99th percentiles.
    truth, predicted : arrays of bool
        True = membrane.
    known : array of bool, optional
        Pixels that have a label; the others are shown in grey, and are never wrong. By default all.
    """

    index: int
    image: NDArray[Any]
    truth: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    known: NDArray[np.bool_] | None = None


def contact_sheet(rows: Sequence[SheetRow], title: str = "") -> bytes:
    """Draw image | ground truth | prediction | errors of some slices.

    Membrane is black in the masks, as in ISBI's files. The error colours are those of the
    error layer in the window, which colour-blind people tell apart.

    Parameters
    ----------
    rows : sequence of SheetRow
        All of one shape.
    title : str
        Line above the sheet.

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
    top = HEADER_HEIGHT * (2 if title else 1)
    size = (
        LABEL_WIDTH + len(COLUMNS) * (width + GAP),
        top + len(rows) * (height + GAP) + LEGEND_HEIGHT,
    )
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((GAP, HEADER_HEIGHT / 2), title, TEXT_COLOR, _font(34), anchor="lm")
    for column, name in enumerate(COLUMNS):
        middle = LABEL_WIDTH + column * (width + GAP) + width / 2
        draw.text((middle, top - HEADER_HEIGHT / 2), name, TEXT_COLOR, _font(32), anchor="mm")
    for number, row in enumerate(rows):
        y = top + number * (height + GAP)
        _label(draw, row, y + height / 2)
        for column, panel in enumerate(_panels(row, (width, height))):
            sheet.paste(panel, (LABEL_WIDTH + column * (width + GAP), y))
    _legend(draw, size[1] - LEGEND_HEIGHT / 2)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _panel_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a panel for slices of a shape (Y, X)."""
    scale = PANEL / max(shape)
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _panels(row: SheetRow, size: tuple[int, int]) -> list[Image.Image]:
    known = np.True_ if row.known is None else row.known
    colors = np.full((*row.truth.shape, 3), 255, np.uint8)
    colors[row.truth & row.predicted & known] = ImageColor.getrgb(HIT_COLOR)
    colors[row.predicted & ~row.truth & known] = ImageColor.getrgb(PREDICTION_COLOR)
    colors[row.truth & ~row.predicted & known] = ImageColor.getrgb(TRUTH_COLOR)
    arrays = [
        _stretch(row.image),
        np.where(known, np.where(row.truth, np.uint8(0), np.uint8(255)), np.uint8(UNKNOWN_GREY)),
        np.where(row.predicted, np.uint8(0), np.uint8(255)),
        colors,
    ]
    panels = [Image.fromarray(array).convert("RGB") for array in arrays]
    # A box filter keeps the colours of single pixels where it makes a large slice small.
    panels = [panel.resize(size, Image.Resampling.BOX) for panel in panels]
    for panel in panels:
        corner = (panel.width - 1, panel.height - 1)
        ImageDraw.Draw(panel).rectangle(((0, 0), corner), outline="#B0B0B0")
    return panels


def _stretch(image: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (1, 99))
    scaled = (image.astype(np.float64) - low) / max(float(high - low), 1e-12)
    return np.asarray(np.clip(np.rint(255 * scaled), 0, 255), np.uint8)


def _label(draw: ImageDraw.ImageDraw, row: SheetRow, middle: float) -> None:
    known = ... if row.known is None else row.known
    dice = overlap_figures(row.predicted[known], row.truth[known])["dice"]
    draw.text((GAP, middle - 22), f"Slice {row.index}", TEXT_COLOR, _font(32), anchor="lm")
    draw.text((GAP, middle + 22), f"Dice {dice:.3f}", FAINT_COLOR, _font(28), anchor="lm")


def _legend(draw: ImageDraw.ImageDraw, middle: float) -> None:
    x: float = LABEL_WIDTH
    for color, text in LEGEND:
        draw.rectangle(((x, middle - 14), (x + 28, middle + 14)), fill=color)
        draw.text((x + 44, middle), text, TEXT_COLOR, _font(28), anchor="lm")
        x += 44 + draw.textlength(text, _font(28)) + 48


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
