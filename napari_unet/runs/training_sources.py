"""What a person chose to train on: checked, guessed and shown before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from training.data_pairs import DataPair
from training.dataset.cropped_stack import crop_to
from training.dataset.found_meanings import files_state
from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS, find_pairs
from training.dataset.training_pair import check_pair, label_codes
from training.errors import UserError
from training.formats.location import locate
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.masks.mask_files import mask_page, write_sparse_labels
from training.masks.writer_choice import write_stack
from training.opening import open_stack
from training.stacks.label_census import LabelCensus, is_uniform, read_labelled
from training.stacks.label_meaning import LabelMeaning
from training.stacks.sparse_labels import MEMBRANE, LabelNote
from training.stacks.stack_axes import as_stack, is_stack

if TYPE_CHECKING:
    from napari.layers import Layer


@dataclass(frozen=True)
class StackPair:
    """Images with their labels, and their names for messages.

    Parameters
    ----------
    images, labels : arrays (Z, Y, X), or Stacks
        As they are, before any convention; labelled slices in memory if fewer were asked for.
    shape : tuple of int
        (Z, Y, X) of all the images.
    """

    images: Any
    labels: Any
    images_name: str
    labels_name: str
    shape: tuple[int, ...]

    @cached_property
    def census(self) -> LabelCensus:
        """The labels' values, counted once for all questions."""
        is_stack = self.images.shape == self.labels.shape and len(self.labels.shape) == 3
        return LabelCensus.of(self.labels, self.images if is_stack else None)

    def meaning(
        self,
        convention: LabelConvention | None = None,
        ids: IdBorders = USUAL_BORDERS,
        classes: LabelClasses = NO_CLASSES,
    ) -> LabelMeaning:
        """What the labels mean, see :meth:`LabelMeaning.of`."""
        return LabelMeaning.of(self.census, self.labels_name, convention, ids, classes=classes)

    def problems(
        self,
        convention: LabelConvention,
        ids: IdBorders = USUAL_BORDERS,
        classes: LabelClasses = NO_CLASSES,
    ) -> list[UserError]:
        """What keeps the pair from being trained on; empty if nothing does."""
        names = self.images_name, self.labels_name
        census = self.census if all(self.labels.shape) else None
        return check_pair(self.images, self.labels, *names, convention, census, ids, classes)

    def check(
        self,
        convention: LabelConvention | None,
        ids: IdBorders = USUAL_BORDERS,
        classes: LabelClasses = NO_CLASSES,
    ) -> LabelMeaning:
        """Find out what the labels of a pair that can be trained on mean.

        Raises
        ------
        UserError
            For the first of :meth:`problems`.
        """
        convention = convention or self.meaning(classes=classes).convention
        for problem in self.problems(convention, ids, classes):
            raise problem
        return self.meaning(convention, ids, classes)


@dataclass(frozen=True)
class Prepared:
    """A pair in files.

    Parameters
    ----------
    files : DataPair
    meaning : LabelMeaning or None
        What the labels mean in that file; None: that is to be found out.
    """

    files: DataPair
    meaning: LabelMeaning | None


class PairSource(Protocol):
    """Where a pair comes from."""

    @property
    def name(self) -> str:
        """What a person calls the images."""

    def read(self, most_slices: int) -> StackPair:
        """Some slices of the pair, of the labelled ones; a UserError if it can't be read."""

    def check(
        self,
        convention: LabelConvention | None,
        ids: IdBorders = USUAL_BORDERS,
        classes: LabelClasses = NO_CLASSES,
    ) -> LabelMeaning:
        """What the labels mean, by a convention, as classes, or as they are recognised.

        A UserError says the first thing that keeps from training. Slices are looked at one by one.
        """

    def state(self) -> str:
        """The state of the files that a run finds it in; empty where :meth:`prepare` writes one."""

    def prepare(self, folder: Path, meaning: LabelMeaning) -> Prepared:
        """Where a run finds the pair; what has no file is written to a folder, which is made."""


class TrainingData(Protocol):
    """What a person chose to train on."""

    @property
    def name(self) -> str:
        """What it is called."""

    def pairs(self) -> Sequence[PairSource]:
        """The pairs, at least one; a UserError if they can't be found."""

    @property
    def held_out(self) -> Sequence[int]:
        """Those of several pairs that are only validated on, by their places; usually none."""


@dataclass(frozen=True)
class LayerStack:
    """Images or labels as a layer has them.

    Parameters
    ----------
    name : str
        Name of the layer.
    data : array-like (Z, Y, X)
        May be lazy.
    path : Path or None
        The file that it was opened from, if any.
    corrected_slices : tuple of int
        Slices of sparse labels that a person corrected throughout.
    """

    name: str
    data: Any
    path: Path | None = None
    corrected_slices: tuple[int, ...] = ()

    @classmethod
    def of(cls, layer: Layer) -> LayerStack:
        """Take what a layer shows now, and where it was opened from."""
        from napari_unet.layers.plugin_layers import corrected_slices  # napari: slow to import
        from napari_unet.layers.slices import full_resolution

        path = layer.source.path
        file = Path(path) if path is not None else None
        pixels = full_resolution(layer)
        data = as_stack(pixels) if is_stack(pixels) else pixels
        return cls(layer.name, data, file, tuple(corrected_slices(layer)))

    @property
    def has_file(self) -> bool:
        """Whether the file is a grey TIF stack of the same shape and type as the data."""
        if self.path is None or self.path.suffix.lower() not in (".tif", ".tiff"):
            return False
        try:
            with open_stack(self.path) as stack:
                return stack.shape == tuple(self.data.shape) and stack.dtype == self.data.dtype
        except UserError:
            return False


@dataclass(frozen=True)
class OnePair:
    """A pair that is all of the data."""

    held_out: ClassVar[Sequence[int]] = ()

    def pairs(self) -> Sequence[Self]:
        return [self]


@dataclass(frozen=True)
class LayerData(OnePair):
    """A pair in two layers."""

    images: LayerStack
    labels: LayerStack

    @property
    def name(self) -> str:
        return self.images.name

    def read(self, most_slices: int) -> StackPair:
        return _some_slices(self._pair(), most_slices)

    def check(
        self,
        convention: LabelConvention | None,
        ids: IdBorders = USUAL_BORDERS,
        classes: LabelClasses = NO_CLASSES,
    ) -> LabelMeaning:
        return self._pair().check(convention, ids, classes)

    def _pair(self) -> StackPair:
        images, labels = self.images, self.labels
        for stack in (images, labels):
            shape = tuple(stack.data.shape)
            if not is_stack(stack.data):
                problem = f"'{stack.name}' has the shape {shape}."
                raise UserError(problem, "Choose a layer that is one stack (Z, Y, X).")
        names = f"'{images.name}'", f"'{labels.name}'"
        return StackPair(images.data, labels.data, *names, tuple(images.data.shape))

    def state(self) -> str:
        return ""

    def prepare(self, folder: Path, meaning: LabelMeaning) -> Prepared:
        folder.mkdir(parents=True, exist_ok=True)
        images_path = folder / DEFAULT_IMAGES
        if self.images.path is not None and self.images.has_file:
            images_path = self.images.path
        else:
            write_stack(images_path, self.images.data, self.images.data.dtype, is_label=False)
        # Always written: a person may have edited the labels since they were opened.
        labels_path = folder / DEFAULT_LABELS
        convention, written = self._write_labels(labels_path, meaning)
        files = DataPair(str(images_path.absolute()), str(labels_path.absolute()), convention)
        return Prepared(files, written)

    def _write_labels(
        self, path: Path, meaning: LabelMeaning
    ) -> tuple[LabelConvention, LabelMeaning | None]:
        """Write the labels; their convention and meaning in the file.

        That is not known where a slice has several values here, and in the file only one.
        """
        labels = self.labels.data
        if meaning.classes:
            write_stack(path, labels, labels.dtype, is_label=True, classes=meaning.classes)
            return meaning.convention, meaning
        if meaning.convention == LabelConvention.INSTANCES:
            note = LabelNote(convention=None).line()
            write_stack(path, labels, labels.dtype, is_label=True, note=note)
            return meaning.convention, meaning
        if meaning.is_finished:
            kinds: list[bool] = []  # whether each slice has both

            def isbi_page(page: NDArray[Any]) -> NDArray[np.uint8]:
                written = mask_page(meaning.read(page) == MEMBRANE, LabelConvention.ISBI)
                kinds.append(not is_uniform(written))
                return written

            write_stack(path, labels, np.uint8, isbi_page, is_label=True)
            are_same = tuple(np.flatnonzero(kinds)) == meaning.labelled
            return LabelConvention.ISBI, meaning.as_isbi() if are_same else None
        codes = np.zeros(labels.shape, np.uint8)  # no memory where nothing is labelled
        for index, page in label_codes(labels, meaning).items():
            codes[index] = page
        write_sparse_labels(path, codes, self.labels.corrected_slices)
        are_strokes = meaning.convention == LabelConvention.SPARSE
        are_same = are_strokes and all(codes[index].any() for index in meaning.labelled)
        return LabelConvention.SPARSE, meaning if are_same else None


@dataclass(frozen=True)
class FilePair(OnePair):
    """A pair in files, of any format."""

    images: Path
    labels: Path

    @property
    def name(self) -> str:
        return locate(self.images).name

    def read(self, most_slices: int) -> StackPair:
        with self._open() as pair:
            return _some_slices(pair, most_slices)

    def check(
        self,
        convention: LabelConvention | None,
        ids: IdBorders = USUAL_BORDERS,
        classes: LabelClasses = NO_CLASSES,
    ) -> LabelMeaning:
        with self._open() as pair:
            return pair.check(convention, ids, classes)

    @contextmanager
    def _open(self) -> Iterator[StackPair]:
        with open_stack(self.images) as images, open_stack(self.labels, "labels") as labels:
            images = crop_to(images, labels)
            yield StackPair(images, labels, str(self.images), str(self.labels), images.shape)

    def state(self) -> str:
        return files_state(self.images.absolute(), self.labels.absolute())

    def prepare(self, folder: Path, meaning: LabelMeaning) -> Prepared:
        files = str(self.images.absolute()), str(self.labels.absolute())
        return Prepared(DataPair(*files, meaning.convention), meaning)


@dataclass(frozen=True)
class FolderData:
    """The pairs in a folder, found by their names."""

    folder: Path
    held_out: ClassVar[Sequence[int]] = ()

    @property
    def name(self) -> str:
        return self.folder.name

    def pairs(self) -> list[FilePair]:
        return [FilePair(*paths) for paths in find_pairs(self.folder)]


@dataclass(frozen=True)
class SeveralPairs:
    """Pairs that were put together one by one.

    Parameters
    ----------
    chosen : tuple of PairSource
    held_out : tuple of int
        Places of those that are only validated on.
    """

    chosen: tuple[PairSource, ...]
    held_out: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        others = len(self.chosen) - 1
        return f"{self.chosen[0].name} and {others} more" if others else self.chosen[0].name

    def pairs(self) -> Sequence[PairSource]:
        return self.chosen


def _some_slices(pair: StackPair, most: int) -> StackPair:
    """Read labelled slices of a pair, or all where there are few or the stacks don't match."""
    images, labels = pair.images, pair.labels
    if len(labels) <= most or images.shape != labels.shape:
        return replace(pair, images=_read(images), labels=_read(labels))
    labelled = read_labelled(labels, most)
    picked = np.stack([np.asarray(images[index]) for index in labelled])
    return replace(pair, images=picked, labels=np.stack([*labelled.values()]))


def _read(stack: Any) -> NDArray[Any]:
    return np.stack([np.asarray(page) for page in stack])
