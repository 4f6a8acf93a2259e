"""What a person chose to train on: checked, guessed and shown before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet.tif import TifWriter, mask_page
from training.config import TrainingConfig
from training.errors import UserError
from training.run_directory import RunDirectory
from training.stack_file import StackFile
from training.stacks import (
    DEFAULT_IMAGES,
    DEFAULT_LABELS,
    check_pair,
    find_pair,
    to_membrane,
)

_PREVIEW_PIXELS = 256
_PREVIEW_SLICES = 32


@dataclass(frozen=True)
class Pair:
    """Images and labels in memory, with their names for messages.

    Parameters
    ----------
    images, labels : arrays (Z, Y, X)
        As they are, before any convention; evenly picked slices if fewer were asked for.
    shape : tuple of int
        Of all the images.
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    images_name: str
    labels_name: str
    shape: tuple[int, ...]

    def problems(self) -> list[UserError]:
        """What keeps the pair from being trained on; empty if nothing does."""
        return check_pair(self.images, self.labels, self.images_name, self.labels_name)


class TrainingData(Protocol):
    """Where a pair comes from."""

    def read(self, most_slices: int | None = None) -> Pair:
        """The pair, or some slices of it; a UserError if it can't be read."""

    def prepare(self, config: TrainingConfig, run: RunDirectory) -> TrainingConfig:
        """The configuration with the data's paths; writes below ``run.data`` what has no file."""


@dataclass(frozen=True)
class LayerStack:
    """Images or labels as a layer has them.

    Parameters
    ----------
    name : str
        Of the layer.
    data : array-like (Z, Y, X)
        May be lazy.
    path : Path or None
        The file that it was opened from, if any.
    """

    name: str
    data: Any
    path: Path | None = None

    @property
    def has_file(self) -> bool:
        """Whether the file is a grey TIF stack of the same shape and type as the data."""
        if self.path is None or self.path.suffix.lower() not in (".tif", ".tiff"):
            return False
        try:
            with StackFile(self.path) as stack:
                return stack.shape == tuple(self.data.shape) and stack.dtype == self.data.dtype
        except UserError:
            return False


@dataclass(frozen=True)
class LayerData:
    """Training data in two layers."""

    images: LayerStack
    labels: LayerStack

    def read(self, most_slices: int | None = None) -> Pair:
        return Pair(
            _pick(self.images.data, most_slices),
            _pick(self.labels.data, most_slices),
            f"The layer '{self.images.name}'",
            f"The layer '{self.labels.name}'",
            tuple(self.images.data.shape),
        )

    def prepare(self, config: TrainingConfig, run: RunDirectory) -> TrainingConfig:
        run.data.mkdir(parents=True, exist_ok=True)
        images_path = run.data / DEFAULT_IMAGES
        if self.images.path is not None and self.images.has_file:
            images_path = self.images.path
        else:
            _write(images_path, self.images.data, lambda page: page, self.images.data.dtype)
        # Always written: a person may have edited the labels since they were opened.
        labels_path = run.data / DEFAULT_LABELS
        convention = config.label_convention
        _write(
            labels_path,
            self.labels.data,
            lambda page: mask_page(to_membrane(page, convention), "isbi"),
            np.uint8,
        )
        return config.replace(
            data_url=str(run.data.absolute()),
            image=str(images_path.absolute()),
            labels=str(labels_path.absolute()),
            label_convention="isbi",
        )


@dataclass(frozen=True)
class FolderData:
    """Training data in a folder of ``train-volume.tif`` and ``train-labels.tif``."""

    folder: Path

    def read(self, most_slices: int | None = None) -> Pair:
        images_path, labels_path = find_pair(self.folder)
        with StackFile(images_path, "images") as images, StackFile(labels_path, "labels") as labels:
            return Pair(
                _pick(images, most_slices),
                _pick(labels, most_slices),
                str(images_path),
                str(labels_path),
                images.shape,
            )

    def prepare(self, config: TrainingConfig, run: RunDirectory) -> TrainingConfig:
        return config.replace(data_url=str(self.folder.absolute()), image="", labels="")


@dataclass(frozen=True)
class Preview:
    """What the window shows of a pair.

    Parameters
    ----------
    image : array (Y, X) of float, 0..1
        The middle slice, thinned out.
    labels : array (Y, X)
        The same of the labels, before any convention.
    nonzero_share : float
        Share of the labels' pixels that are not 0, 0..1.
    shape : tuple of int
        (Z, Y, X) of the images.
    problems : tuple of UserError
        What keeps the pair from being trained on.
    """

    image: NDArray[np.float32]
    labels: NDArray[Any]
    nonzero_share: float
    shape: tuple[int, ...]
    problems: tuple[UserError, ...]

    @property
    def guessed_convention(self) -> str:
        """Membrane is the rarer kind of pixels: about a fifth of a section."""
        return "isbi" if self.nonzero_share > 0.5 else "membrane"

    def membrane_share(self, convention: str) -> float:
        """Share of the pixels that are membrane under a convention, 0..1."""
        return 1 - self.nonzero_share if convention == "isbi" else self.nonzero_share


def preview(data: TrainingData) -> Preview:
    """Look at some slices of a pair, enough to show it and to find most problems."""
    pair = data.read(_PREVIEW_SLICES)
    problems = tuple(pair.problems())
    image, labels = (_middle(stack) for stack in (pair.images, pair.labels))
    low, high = np.nanpercentile(image, (0.5, 99.5)) if image.size else (0, 1)
    scaled = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    nonzero = float(np.count_nonzero(pair.labels)) / max(pair.labels.size, 1)
    return Preview(scaled.astype(np.float32), labels, nonzero, pair.shape, problems)


def _pick(stack: Any, most_slices: int | None) -> NDArray[Any]:
    length = len(stack)
    picked: Sequence[int]
    if most_slices is None or length <= most_slices or len(stack.shape) < 3:
        picked = range(length)
    else:
        picked = [round(place) for place in np.linspace(0, length - 1, most_slices)]
    return np.stack([np.asarray(stack[index]) for index in picked])


def _middle(stack: NDArray[Any]) -> NDArray[Any]:
    page = stack[len(stack) // 2] if stack.ndim == 3 else stack
    stride = max(1, max(page.shape) // _PREVIEW_PIXELS)
    return page[::stride, ::stride]


def _write(
    path: Path, pages: Any, convert: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any
) -> None:
    with TifWriter(path, tuple(pages.shape), dtype) as writer:
        for page in pages:
            writer.write(convert(np.asarray(page)))
