"""Reading stacks of images and labels, and checking that they can be trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.label_convention import LabelConvention
from training.stacks.holdout import hold_out
from training.stacks.label_meaning import LabelMeaning, borders_between
from training.stacks.scaling import Slices, check_pixels
from training.stacks.sparse_labels import MEMBRANE, read_label_note
from training.stacks.stack_file import StackFile

DEFAULT_IMAGES = "train-volume.tif"
DEFAULT_LABELS = "train-labels.tif"
DEFAULT_TEST = "test-volume.tif"


def read_stack(path: str | Path, what: str = "images") -> NDArray[Any]:
    """Read all slices of a TIF.

    Parameters
    ----------
    path : str or Path
        The file.
    what : str
        What it should hold, for messages: "images" or "labels".

    Returns
    -------
    array (Z, Y, X)
        Stack of the file's dtype.

    Raises
    ------
    UserError
        As :class:`StackFile`.
    """
    with StackFile(Path(path), what) as stack:
        return _read_all(stack)


def _read_all(stack: StackFile) -> NDArray[Any]:
    pages = np.empty(stack.shape, stack.dtype)
    for index, page in enumerate(stack):
        pages[index] = page
    return pages


def find_pair(data_folder: str | Path, image: str = "", labels: str = "") -> tuple[Path, Path]:
    """Find the paths of the image stack and of the label stack.

    Parameters
    ----------
    data_folder : str or Path
        Folder of the files; may be empty where both names are given.
    image, labels : str
        Names of the files, in the folder or as paths; empty: ``train-volume.tif`` and
        ``train-labels.tif``.

    Raises
    ------
    UserError
        If the folder or a file does not exist.
    """
    folder = Path(data_folder)
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"The data folder {folder} {problem}.", "Give the folder of the stacks.")
    found = [
        find_file(folder, name) if name else _find_default(folder, default)
        for name, default in ((image, DEFAULT_IMAGES), (labels, DEFAULT_LABELS))
    ]
    return found[0], found[1]


def find_file(folder: Path, name: str) -> Path:
    """Find a file by its name in the data folder, or by its path.

    Raises
    ------
    UserError
        If it does not exist.
    """
    for path in (folder / name, Path(name)):
        if path.is_file():
            return path
    raise UserError(f"The file {name} exists neither here nor in {folder}.", "Check its name.")


def _find_default(folder: Path, default: str) -> Path:
    if (folder / default).is_file():
        return folder / default
    raise UserError(
        f"{folder} does not hold a {default}.",
        f"Name the files {DEFAULT_IMAGES} and {DEFAULT_LABELS}, or name yours with the options "
        "image and labels.",
    )


def read_training_pair(
    image_path: Path, labels_path: Path, label_convention: LabelConvention = LabelConvention.ISBI
) -> tuple[NDArray[Any], dict[int, NDArray[np.bool_]]]:
    """Read and check images and finished labels.

    Parameters
    ----------
    label_convention : LabelConvention
        A finished one, see :meth:`LabelMeaning.of`.

    Returns
    -------
    images : array (Z, Y, X) of the file's dtype
    membrane : mapping of int to array (Y, X) of bool
        The labelled slices by index. Unknown pixels are False.

    Raises
    ------
    UserError
        As :func:`open_pair`.
    """
    with open_pair(image_path, labels_path, label_convention) as (images, labels, meaning):
        codes = label_codes(labels, meaning)
        return _read_all(images), {index: page == MEMBRANE for index, page in codes.items()}


def read_strokes(
    image_path: Path, labels_path: Path, meaning: LabelMeaning
) -> tuple[NDArray[Any], dict[int, NDArray[np.uint8]]]:
    """Read images and labels with unknown pixels to judge by, which may be too few to train on.

    Returns
    -------
    images : array (Z, Y, X) of the file's dtype
    labels : mapping of int to array (Y, X) of uint8
        The labelled slices by index: 0 = unknown, 1 = membrane, 2 = inside.

    Raises
    ------
    UserError
        As :class:`StackFile`; for another shape, or without any label.
    """
    images, labels = read_stack(image_path, "images"), read_stack(labels_path, "labels")
    if images.shape != labels.shape:
        raise UserError(
            f"{labels_path} has the shape {labels.shape}, but {image_path} has {images.shape}.",
            "Give labels with as many slices, rows and columns as the images.",
        )
    if not meaning.labelled:
        raise UserError(f"{labels_path} holds no stroke.", "Paint on membranes and inside cells.")
    return images, label_codes(labels, meaning)


@contextmanager
def open_pair(
    image_path: Path, labels_path: Path, label_convention: LabelConvention
) -> Iterator[tuple[StackFile, StackFile, LabelMeaning]]:
    """Open and check images and labels of any convention, to read them slice by slice.

    It gives what the labels mean as well.

    Raises
    ------
    UserError
        For the first problem found, see :func:`check_pair` and :class:`StackFile`.
    """
    note = read_label_note(labels_path)
    if note is not None and note.convention == LabelConvention.SPARSE != label_convention:
        raise UserError(
            f"{labels_path} holds sparse labels: 0 is unknown, 1 membrane, 2 inside.",
            "Choose the convention sparse to train on them; give finished labels otherwise.",
        )
    with StackFile(image_path, "images") as images, StackFile(labels_path, "labels") as labels:
        names = str(image_path), str(labels_path)
        problems = _compare_stacks(images, labels, *names)
        if problems:
            raise problems[0]
        yield images, labels, _meaning_to_train_on(labels, names[1], label_convention)


def label_codes(labels: Slices, meaning: LabelMeaning) -> dict[int, NDArray[np.uint8]]:
    """Read the labelled slices of labels (Z, Y, X).

    Returns
    -------
    mapping of int to array (Y, X)
        By index, as sparse labels: 0 is unknown, 1 membrane, 2 inside.
    """
    return {index: meaning.read(np.asarray(labels[index])) for index in meaning.labelled}


def to_membrane(labels: NDArray[Any], label_convention: LabelConvention) -> NDArray[np.bool_]:
    """Convert labels of any convention to True = membrane; unknown pixels become False.

    Parameters
    ----------
    labels : array (Y, X) or (Z, Y, X) of int or bool
    label_convention : LabelConvention
        ``isbi``: 0 is membrane. ``membrane``: every other value is. ``sparse``: 1 is.
        ``instances``: 0 and the borders between numbers are.

    Returns
    -------
    array of bool
        Membrane, in the labels' shape.
    """
    if label_convention == LabelConvention.SPARSE:
        return np.asarray(labels == MEMBRANE)
    if label_convention == LabelConvention.INSTANCES:
        return np.asarray((labels == 0) | borders_between(labels))
    return np.asarray(labels == 0 if label_convention == LabelConvention.ISBI else labels != 0)


def meaning_of_file(path: Path, convention: LabelConvention | None = None) -> LabelMeaning:
    """Find out what the labels of a TIF mean.

    Parameters
    ----------
    convention : LabelConvention or None
        None: the one in the file's note, or else guessed from the values.

    Raises
    ------
    UserError
        As :class:`StackFile` and :meth:`LabelMeaning.of`.
    """
    note = read_label_note(path)
    if convention is None and note is not None:
        convention = note.convention or LabelConvention.INSTANCES
    with StackFile(path, "labels") as labels:
        return LabelMeaning.of(labels, str(path), convention)


def check_pair(
    images: Any,
    labels: Any,
    images_name: str,
    labels_name: str,
    label_convention: LabelConvention = LabelConvention.ISBI,
) -> list[UserError]:
    """List what keeps images and labels from being trained on; empty if nothing does.

    Parameters
    ----------
    images, labels : arrays (Z, Y, X), or StackFiles
        Any dtype; other shapes are among the problems. They are read slice by slice.
    images_name, labels_name : str
        What the problems call them.
    label_convention : LabelConvention
        Convention of the labels.
    """
    problems = _compare_stacks(images, labels, images_name, labels_name)
    if math.prod(labels.shape):
        try:
            _meaning_to_train_on(labels, labels_name, label_convention)
        except UserError as error:
            problems.append(error)
    for stack, name in ((images, images_name), (labels, labels_name)):
        if isinstance(stack, StackFile):
            continue  # it checks what is read of it
        try:
            check_pixels(stack, name)
        except UserError as error:
            problems.append(error)
    return problems


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
    return problems


def _meaning_to_train_on(labels: Any, name: str, label_convention: LabelConvention) -> LabelMeaning:
    meaning = LabelMeaning.of(labels, name, label_convention)
    if label_convention == LabelConvention.SPARSE:
        hold_out(label_codes(labels, meaning), 0, (), name)
    return meaning
