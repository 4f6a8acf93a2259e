"""A stack in a file, what it is recognized as, and the layer that it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.layers.arrangement import place_in_viewer
from napari_unet.layers.class_layers import CLASSES_KEY, class_look
from napari_unet.layers.colormaps import mask_colormap, sparse_colormap
from napari_unet.layers.colors import TRUTH_COLOR
from napari_unet.layers.plugin_layers import (
    AXIS_LABELS,
    CONVENTION_KEY,
    CORRECTED_KEY,
    MASK_OPACITY,
    STACK_KEY,
)
from napari_unet.stacks.lazy_pixels import lazy_membrane, lazy_pixels, load_to_edit
from training.errors import UserError
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.formats.stack import Stack
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import LabelConvention
from training.stacks.label_census import MEANING_SLICES, is_uniform, read_labelled, telling_window
from training.stacks.label_meaning import LabelMeaning
from training.stacks.label_pixels import are_even, look_like_labels
from training.stacks.label_reading import LabelReading
from training.stacks.scaling import Slices

LayerTuple = tuple[Any, dict[str, Any], str]
SAMPLED_SLICES = 5
LABEL_NAME = re.compile(
    r"(?<![a-z])(labels?|masks?|seg(mentation)?s?|gt|ground.?truth|annotations?)(?![a-z])", re.I
)


@dataclass(frozen=True, eq=False)
class OpenedStack:
    """A stack in a file, and what it was recognized as.

    Parameters
    ----------
    path : Path
        Where it is.
    name : str
        Of its layer.
    data : array (Z, Y, X) or (Y, X)
        In native byte order; lazy for an image, and for labels too large to be painted on. In a
        mask with a convention 1 is membrane; other pixels are as in the file.
    pixel_size : PixelSize or None
        As the file records it.
    is_labels : bool
        Whether its pixels are labels.
    convention : str or None
        A mask of two values has ``isbi`` (0 is membrane) or ``membrane``; strokes have ``sparse``.
    corrected : tuple of int
        Slices that the file says were corrected throughout.
    smaller : tuple of arrays (Z, Y, X) or (Y, X)
        An image at its smaller sizes, lazy.
    offset : Offset
        Where it begins, as the file records it.
    classes : LabelClasses
        What its values are, if its file says so.
    """

    path: Path
    name: str
    data: Any
    pixel_size: PixelSize | None
    is_labels: bool
    convention: LabelConvention | None
    corrected: tuple[int, ...] = ()
    smaller: tuple[Any, ...] = ()
    offset: Offset = NO_OFFSET
    classes: LabelClasses = NO_CLASSES

    @classmethod
    def of(cls, file: Stack, on_slice: Callable[[], None]) -> OpenedStack:
        """Look at a few slices, of labels those that are labelled, to recognize what they are.

        ``on_slice`` is called before each is read; what it raises ends the work.
        """
        note = file.label_note
        if note is None:
            pages = _KeptPages(file, on_slice)
            some = read_labelled(pages, SAMPLED_SLICES).values()
            sample = np.stack([page[telling_window(page)] for page in some])
            is_labels = are_labels(f"{file.name} {file.path.stem}", sample)
            convention = None
            if is_labels:
                convention = _guess([*read_labelled(pages, MEANING_SLICES).values()])
        else:
            is_labels, convention = True, note.convention
        classes = NO_CLASSES if note is None else note.classes
        smaller = () if is_labels else file.levels[1:]
        data = lazy_pixels(file)  # it is closed from here on, where they are mapped
        sizes = map(lazy_pixels, smaller)
        if convention not in (None, LabelConvention.SPARSE) and not classes:
            data = lazy_membrane(data, LabelReading(convention))
        return cls(
            file.path,
            file.name,
            load_to_edit(data) if is_labels else data,
            file.pixel_size,
            is_labels,
            convention,
            () if note is None else note.corrected_slices,
            tuple(size for size in sizes if size.ndim == data.ndim),
            file.offset,
            classes,
        )

    def as_layer(self, others: Sequence[OpenedStack]) -> LayerTuple:
        """Make a layer tuple for napari, of all sizes where an image has several.

        Parameters
        ----------
        others : sequence of OpenedStack
            Opened with it. Without a pixel size or an offset of its own, it takes those of the
            image or of the labels that it belongs to: among these, else in the viewer.
        """
        metadata: dict[str, Any] = {"name": self.name}
        metadata |= {"axis_labels": AXIS_LABELS[-self.data.ndim :]} | self._place(others)
        if not self.is_labels:
            metadata["metadata"] = {STACK_KEY: str(self.path)}
        if self.smaller:
            return [self.data, *self.smaller], metadata | {"multiscale": True}, "image"
        if not self.is_labels:
            return self.data, metadata, "image"
        if self.classes:
            metadata |= class_look(self.classes)
            metadata["metadata"] = {CLASSES_KEY: self.classes.text}
            return self.data, metadata, "labels"
        if self.convention is None:
            return self.data, metadata, "labels"
        metadata |= {
            "opacity": MASK_OPACITY,
            "metadata": {CONVENTION_KEY: self.convention, CORRECTED_KEY: list(self.corrected)},
        }
        if self.convention == LabelConvention.SPARSE:
            return self.data, metadata | {"colormap": sparse_colormap()}, "labels"
        return self.data, metadata | {"colormap": mask_colormap(TRUTH_COLOR)}, "labels"

    def _place(self, others: Sequence[OpenedStack]) -> dict[str, Any]:
        partners = [other for other in others if self._goes_with(other)]
        size = next((one.pixel_size for one in (self, *partners) if one.pixel_size), None)
        ndim, found = self.data.ndim, place_in_viewer(self.data.shape, self.is_labels)
        if size is None:
            return found
        depth = size.y if size.z is None else size.z
        place = {"scale": (depth, size.y, size.x)[-ndim:], "units": ("nm",) * ndim}
        alike = (one for one in partners if one.pixel_size and one.pixel_size.is_alike(size))
        offset = next(filter(any, (one.offset[-ndim:] for one in (self, *alike))), None)
        if offset is None and _is_alike(place, found):
            offset = found["translate"]
        return place if offset is None else place | {"translate": offset}

    def _goes_with(self, other: OpenedStack) -> bool:
        is_pair = self.is_labels != other.is_labels and self.data.shape == other.data.shape
        return is_pair and other.pixel_size is not None


def _is_alike(place: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether layers have pixels of one size; units that are not nanometres are not converted."""
    if not found or any(str(unit) != "nanometer" for unit in found["units"]):
        return False
    return np.allclose(found["scale"], place["scale"])


class _KeptPages:
    """The slices of a file, read once; of those of one value only that is kept in memory."""

    def __init__(self, file: Stack, on_slice: Callable[[], None]) -> None:
        self._file, self._on_slice = file, on_slice
        self._pages: dict[int, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._file)

    def __getitem__(self, index: int) -> NDArray[Any]:
        if index not in self._pages:
            self._on_slice()
            page = self._file[index]
            if is_uniform(page):
                page = np.broadcast_to(page[0, 0], page.shape)
            self._pages[index] = page
        return self._pages[index]


def _guess(labels: Slices) -> LabelConvention | None:
    """Guess the convention of strokes, or of a mask with a 0; None for other labels."""
    try:
        meaning = LabelMeaning.of(labels)
    except UserError:  # several classes, or nothing painted yet
        return None
    is_told = meaning.is_mask or meaning.convention == LabelConvention.SPARSE
    return meaning.convention if is_told else None


def are_labels(name: str, sample: NDArray[Any]) -> bool:
    """Return whether pixels look like labels, by a file's name too.

    Parameters
    ----------
    name : str
        The file's, without its ending.
    sample : array (Z, Y, X)
        Some of its slices, of any dtype.
    """
    if sample.dtype.kind not in "bui":
        return False
    is_named = LABEL_NAME.search(name) is not None
    is_mask = _has_two_values(sample)
    return is_mask or (is_named and are_even(sample)) or look_like_labels(sample)


def _has_two_values(sample: NDArray[Any]) -> bool:
    low, high = sample.min(), sample.max()
    return bool(low == 0 and high > 0 and np.all((sample == low) | (sample == high)))
