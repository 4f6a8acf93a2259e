"""Reading stacks of images and labels, and checking that they can be trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.dataset.cropped_stack import crop_to
from training.dataset.found_meanings import FoundMeaning, files_state
from training.dataset.holdout import hold_out
from training.errors import UserError
from training.formats.slice_files import SliceFiles
from training.formats.stack import Stack
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.opening import open_stack
from training.stacks.label_census import LabelCensus
from training.stacks.label_meaning import LabelMeaning
from training.stacks.padding import find_padding
from training.stacks.scaling import Slices, check_pixels
from training.stacks.sparse_labels import PADDING


@dataclass(frozen=True)
class OpenLabels:
    """Labels, open to be read slice by slice.

    Parameters
    ----------
    labels : Stack
    meaning : LabelMeaning
        How they are read.
    """

    labels: Stack
    meaning: LabelMeaning

    @cached_property
    def codes(self) -> dict[int, NDArray[np.uint8]]:
        """The labelled slices, arrays (Y, X) of uint8 by index, read once.

        0 is unknown, 1 membrane, 2 inside, see :meth:`LabelReading.read`; 255 is the padding of
        images that are known, whatever its labels.
        """
        return {z: self.read(z) for z in self.meaning.labelled}

    def read(self, index: int) -> NDArray[np.uint8]:
        """Read a slice (Y, X) of uint8, as :attr:`codes` has it."""
        return self.meaning.read(self.labels[index])

    @cached_property
    def class_codes(self) -> dict[int, NDArray[np.uint8]]:
        """The labelled slices of classes, arrays (Y, X) of uint8 by index, read once.

        0 is unknown, and each class its place from 1, see :meth:`LabelReading.read_classes`; 255
        is padding as in :attr:`codes`.
        """
        return {z: self.read_classes(z) for z in self.meaning.labelled}

    def read_classes(self, index: int) -> NDArray[np.uint8]:
        """Read a slice (Y, X) of uint8, as :attr:`class_codes` has it."""
        return self.meaning.read_classes(self.labels[index])

    def codes_of(self, classes: LabelClasses) -> dict[int, NDArray[np.uint8]]:
        """Give the labelled slices as a network that tells these classes apart takes them.

        Returns
        -------
        dict of int to array (Y, X) of uint8
            :attr:`class_codes`; without classes :attr:`codes`, whatever the labels tell apart.
        """
        return self.class_codes if classes else self.codes

    def neurons(self, index: int) -> NDArray[Any]:
        """Number the neurons of a labelled slice, as integers (Y, X).

        See :meth:`LabelReading.neurons`.
        """
        return self.meaning.neurons(self.labels[index], self.codes[index])


@dataclass(frozen=True)
class TrainingPair(OpenLabels):
    """Images and their labels, open to be read slice by slice.

    Parameters
    ----------
    images : Stack
        Of the labels' shape.
    """

    images: Stack

    def read(self, index: int) -> NDArray[np.uint8]:
        """Read a slice (Y, X) of uint8, as :attr:`codes` has it: padding is 255."""
        return mark_padding(super().read(index), self.images[index])

    def read_classes(self, index: int) -> NDArray[np.uint8]:
        """Read a slice (Y, X) of uint8, as :attr:`class_codes` has it: padding is 255."""
        return mark_padding(super().read_classes(index), self.images[index])


@contextmanager
def open_pair(
    image_path: Path,
    labels_path: Path,
    convention: LabelConvention | None,
    ids: IdBorders = USUAL_BORDERS,
    known: Sequence[FoundMeaning] = (),
    classes: LabelClasses = NO_CLASSES,
) -> Iterator[TrainingPair]:
    """Open and check images and labels, to read them slice by slice.

    Parameters
    ----------
    convention : LabelConvention or None
        That of the labels; None: the one in the file's note, or else guessed from the values.
    ids : IdBorders
        Which pixels are membrane if the labels are ids.
    known : sequence of FoundMeaning
        What was found before, to save counting the labels of files that have not changed.
    classes : LabelClasses
        What the labels' values are; empty: those in the file's note, or membrane and inside.

    Raises
    ------
    UserError
        For the first problem found, see :func:`check_pair` and :func:`open_stack`. Strokes may be
        too few to train on.
    """
    state = files_state(image_path, labels_path) if known else ""
    with open_stack(image_path, "images") as images, open_stack(labels_path, "labels") as labels:
        yield join_pair(images, labels, convention, ids, known, state, classes)


def join_pair(
    images: Stack,
    labels: Stack,
    convention: LabelConvention | None,
    ids: IdBorders = USUAL_BORDERS,
    known: Sequence[FoundMeaning] = (),
    state: str = "",
    classes: LabelClasses = NO_CLASSES,
) -> TrainingPair:
    """Check images and labels that are open; parameters and errors as of :func:`open_pair`.

    ``state`` is that of their files, which ``known`` is found by.
    """
    classes = classes or _noted_classes(labels, convention)
    convention = _noted_convention(labels, convention, classes)
    names = str(images.path), str(labels.path)
    images = crop_to(images, labels)
    problems = _compare_stacks(images, labels, *names)
    if problems:
        raise problems[0]
    fitting = (found.meaning for found in known if found.fits(state, convention, ids, classes))
    meaning = next(fitting, None)
    if meaning is None:
        census = LabelCensus.of(labels, images)
        if not census.counts:
            _refuse_blank(images)
        meaning = LabelMeaning.of(census, names[1], convention, ids, classes=classes)
    return TrainingPair(labels, meaning, images)


def _refuse_blank(images: Stack) -> None:
    """Refuse images that are padding alone, which no label is counted on."""
    if all(find_padding(np.asarray(images[index])).all() for index in range(len(images))):
        raise UserError(
            f"Each slice of {images.path} has one value only.",
            "Give the images that the labels are of.",
        )


@contextmanager
def open_labels(
    path: Path,
    convention: LabelConvention | None,
    ids: IdBorders = USUAL_BORDERS,
    classes: LabelClasses = NO_CLASSES,
) -> Iterator[OpenLabels]:
    """Open labels whose images are not known; parameters and errors as of :func:`open_pair`."""
    with open_stack(path, "labels") as labels:
        yield read_labels(labels, convention, ids, classes)


def read_labels(
    labels: Stack,
    convention: LabelConvention | None,
    ids: IdBorders = USUAL_BORDERS,
    classes: LabelClasses = NO_CLASSES,
) -> OpenLabels:
    """Find out how labels that are open are read; parameters and errors as of :func:`open_pair`."""
    classes = classes or _noted_classes(labels, convention)
    convention = _noted_convention(labels, convention, classes)
    meaning = LabelMeaning.of(labels, str(labels.path), convention, ids, classes=classes)
    return OpenLabels(labels, meaning)


def _noted_classes(labels: Stack, convention: LabelConvention | None) -> LabelClasses:
    """Give the classes in the file's note, unless another convention is asked for."""
    note = labels.label_note
    is_wanted = convention in (None, LabelConvention.CLASSES)
    return note.classes if note is not None and is_wanted else NO_CLASSES


def _noted_convention(
    labels: Stack, convention: LabelConvention | None, classes: LabelClasses
) -> LabelConvention | None:
    """Choose the convention that is asked for, else the one in the file's note."""
    if classes and convention not in (None, LabelConvention.CLASSES):
        raise UserError(
            f"Classes are named, but the labels' convention is said to be {convention}.",
            "Leave out the convention, or the classes.",
        )
    if classes:
        return LabelConvention.CLASSES
    note = labels.label_note
    if note is not None and convention is None:
        convention = note.convention or LabelConvention.INSTANCES
    if note is not None and note.convention == LabelConvention.SPARSE != convention:
        raise UserError(
            f"{labels.path} holds sparse labels: 0 is unknown, 1 membrane, 2 inside.",
            "Choose the convention sparse to train on them; give finished labels otherwise.",
        )
    return convention


def label_codes(labels: Slices, meaning: LabelMeaning) -> dict[int, NDArray[np.uint8]]:
    """Read the labelled slices of labels (Z, Y, X).

    Returns
    -------
    mapping of int to array (Y, X) of uint8
        By index, as sparse labels: 0 is unknown, 1 membrane, 2 inside.
    """
    return {index: meaning.read(np.asarray(labels[index])) for index in meaning.labelled}


def mark_padding(codes: NDArray[np.uint8], image: NDArray[Any]) -> NDArray[np.uint8]:
    """Set the labels (Y, X) of uint8 of an image's padding to 255, in place, and return them."""
    codes[find_padding(image)] = PADDING
    return codes


def check_pair(
    images: Any,
    labels: Any,
    images_name: str,
    labels_name: str,
    label_convention: LabelConvention = LabelConvention.ISBI,
    census: LabelCensus | None = None,
    ids: IdBorders = USUAL_BORDERS,
    classes: LabelClasses = NO_CLASSES,
) -> list[UserError]:
    """List what keeps images and labels from being trained on; empty if nothing does.

    Parameters
    ----------
    images, labels : arrays (Z, Y, X), or Stacks
        Any dtype; other shapes are among the problems. They are read slice by slice.
    images_name, labels_name : str
        What the problems call them.
    label_convention : LabelConvention
        Convention of the labels.
    census : LabelCensus or None
        That of the labels, where they are counted already.
    ids : IdBorders
        Which pixels are membrane if the labels are ids.
    classes : LabelClasses
        What the labels' values are; empty: membrane and inside.
    """
    problems = _compare_stacks(images, labels, images_name, labels_name)
    if math.prod(labels.shape):
        try:
            reading = label_convention, ids
            meaning = LabelMeaning.of(census or labels, labels_name, *reading, classes=classes)
            if label_convention == LabelConvention.SPARSE:
                hold_out(label_codes(labels, meaning), 0, (), labels_name)
        except UserError as error:
            problems.append(error)
    for stack, name in ((images, images_name), (labels, labels_name)):
        try:
            _check_slices(stack, name)
        except UserError as error:
            problems.append(error)
    return problems


def _check_slices(stack: Any, name: str) -> None:
    """Check the pixels of an array slice by slice; whole numbers are no reason to read them all."""
    if isinstance(stack, Stack):
        return  # it checks what is read of it
    pages = stack if stack.dtype.kind == "f" else stack[:1]
    for page in pages:
        check_pixels(np.asarray(page), name)
    if not len(stack):
        check_pixels(np.asarray(stack), name)


def _compare_stacks(
    images: Any, labels: Any, images_name: str, labels_name: str
) -> list[UserError]:
    problems = []
    if len(images.shape) != 3 or not len(images):
        problems.append(
            UserError(
                f"{images_name} has the shape {images.shape}, which is not a stack of slices.",
                "Give a stack (Z, Y, X), or one slice (Y, X).",
            )
        )
    if images.shape != labels.shape:
        problems.append(
            UserError(
                f"{labels_name} has the shape {labels.shape}, but {images_name} has "
                f"{images.shape}.",
                "Give labels with as many slices, rows and columns as the images.",
            )
        )
    elif images.dtype == labels.dtype and all(map(np.array_equal, images, labels)):
        problems.append(
            UserError(
                f"{labels_name} holds the same pixels as {images_name}.",
                "Give labels that say where the membranes of these images are.",
            )
        )
    if isinstance(images, SliceFiles) and isinstance(labels, SliceFiles):
        mismatch = images.mismatch(labels)
        if mismatch:
            remedy = "Give the same slices of both, with the same numbers in their names."
            problems.append(UserError(mismatch, remedy))
    return problems
