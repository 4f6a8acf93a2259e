"""The picture that a model's package is tested with, and the cover of the package."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from training.model.model_card import ModelCard
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.sampling.resampling import mirror, resize_bilinear, zoomed_shape
from training.stacks.scaling import Slices
from training.stacks.synthetic import synthetic_stack

COVER_LENGTH = 384  # pixels; the zoo takes covers of 500 kB at the most
_MADE_UP_LENGTH = 256


@dataclass(frozen=True)
class Example:
    """A slice, and what of it a network is tested with.

    Parameters
    ----------
    page : array (Y, X)
        The slice, of any real dtype.
    card : ModelCard
        How the model predicts its stack.
    tile : array (Y, X)
        Its middle, at the size of pixels that the network sees, with the intensities of the
        model's training.
    is_made_up : bool
        Whether the slice is nobody's.
    """

    page: NDArray[Any]
    card: ModelCard
    tile: NDArray[Any]
    is_made_up: bool


def take_example(card: ModelCard, path: Path | None, length: int, dtype: str) -> Example:
    """Take the middle slice of a stack; None: one that is made up.

    Parameters
    ----------
    card : ModelCard
        The model's.
    length : int
        Pixels a side of the tile.
    dtype : str
        The tile's.

    Raises
    ------
    UserError
        If the stack can't be read.
    """
    if path is None:
        images, _ = synthetic_stack(1, _MADE_UP_LENGTH)
        return _example(card, images, length, dtype, is_made_up=True)
    with open_stack(path) as stack:
        return _example(card, stack, length, dtype, is_made_up=False)


def _example(card: ModelCard, stack: Slices, length: int, dtype: str, is_made_up: bool) -> Example:
    own = card.for_stack(stack)
    page = np.asarray(stack[len(stack) // 2])
    scaled, _ = own.scaling.apply_to_slice(page)
    shape = scaled.shape[0], scaled.shape[1]
    seen = _centre(resize_bilinear(scaled, zoomed_shape(shape, card.zoom_for(shape))), length)
    low, high = card.scaling.low, card.scaling.high
    tile = low + (seen.astype(np.float64) + 1) / 2 * (high - low)
    if np.dtype(dtype).kind in "iu":
        tile = np.rint(tile)
    return Example(page, own, tile.astype(dtype), is_made_up)


def _centre(image: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Take the middle of an image, mirrored to a square of ``length`` where it is smaller."""
    rows, columns = (
        slice(start := max(0, (side - length) // 2), start + length) for side in image.shape
    )
    return mirror(image[rows, columns], (length, length), 0)


def read_preview(model: Path) -> NDArray[np.uint8] | None:
    """Read the newest preview (Y, X) of a run, uint8, 255 = membrane; None where there is none."""
    files = sorted(RunDirectory(model).preview.glob("*.png")) if model.is_dir() else []
    if not files:
        return None
    try:
        with Image.open(files[-1]) as picture:
            return np.asarray(picture.convert("L"))
    except (OSError, UnidentifiedImageError):
        return None


def draw_cover(*panels: NDArray[Any]) -> bytes:
    """Draw one picture (Y, X) of any dtype, or two side by side, as a PNG file.

    Each is stretched between its 1st and 99th percentile.
    """
    cover = Image.new("L", (COVER_LENGTH * len(panels), COVER_LENGTH))
    for index, panel in enumerate(panels):
        length = min(panel.shape)
        low, high = np.percentile(panel, (1, 99))
        grey = np.clip((panel[:length, :length] - low) / ((high - low) or 1), 0, 1) * 255
        picture = Image.fromarray(grey.astype(np.uint8)).resize((COVER_LENGTH, COVER_LENGTH))
        cover.paste(picture, (index * COVER_LENGTH, 0))
    stream = io.BytesIO()
    cover.save(stream, "PNG")
    return stream.getvalue()
