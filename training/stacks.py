"""Reading stacks of images and labels, and checking that they can be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.folds import MINIMUM_SLICES
from training.scaling import check_pixels
from training.stack_file import StackFile

DEFAULT_IMAGES = "train-volume.tif"
DEFAULT_LABELS = "train-labels.tif"
DEFAULT_TEST = "test-volume.tif"


def read_stack(path: str | Path, what: str = "images") -> NDArray[Any]:
    """All slices of a TIF as an array (Z, Y, X) of its own dtype; errors as :class:`StackFile`."""
    with StackFile(Path(path), what) as stack:
        return np.stack(list(stack))


def find_pair(data_folder: str | Path, image: str = "", labels: str = "") -> tuple[Path, Path]:
    """Paths of the image stack and of the label stack.

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
        raise UserError(f"The data folder {folder} does not exist.", "Give another folder.")
    return _find(folder, image, DEFAULT_IMAGES), _find(folder, labels, DEFAULT_LABELS)


def read_training_pair(
    image_path: Path, labels_path: Path, label_convention: str = "isbi"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read and check images and labels.

    Parameters
    ----------
    label_convention : str
        ``isbi``: 0 is membrane. ``membrane``: every other value is.

    Returns
    -------
    images : array (Z, Y, X) of the file's dtype
    membrane : array (Z, Y, X) of bool

    Raises
    ------
    UserError
        For the first problem found, see :func:`check_pair` and :class:`StackFile`.
    """
    images, labels = read_stack(image_path, "images"), read_stack(labels_path, "labels")
    problems = check_pair(images, labels, str(image_path), str(labels_path))
    if problems:
        raise problems[0]
    return images, to_membrane(labels, label_convention)


def to_membrane(labels: NDArray[Any], label_convention: str) -> NDArray[np.bool_]:
    """Labels of either convention as True = membrane."""
    return np.asarray(labels == 0 if label_convention == "isbi" else labels != 0)


def check_pair(
    images: NDArray[Any], labels: NDArray[Any], images_name: str, labels_name: str
) -> list[UserError]:
    """What keeps a pair of arrays (Z, Y, X) from being trained on; empty if nothing does."""
    problems = []
    if images.ndim != 3 or len(images) < MINIMUM_SLICES:
        problems.append(
            UserError(
                f"{images_name} has the shape {images.shape}, but training needs a stack of at "
                f"least {MINIMUM_SLICES} slices, to hold some out.",
                "Give a stack with more slices.",
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
    if labels.size and labels.min() == labels.max():
        problems.append(
            UserError(
                f"All pixels of {labels_name} are {labels.min()}.",
                "Give labels that tell membrane from inside.",
            )
        )
    for array, name in ((images, images_name), (labels, labels_name)):
        try:
            check_pixels(array, name)
        except UserError as error:
            problems.append(error)
    return problems


def _find(folder: Path, name: str, default: str) -> Path:
    for path in (folder / (name or default), Path(name)):
        if path.is_file():
            return path
    if name:
        raise UserError(f"There is no file {name}, nor one in {folder}.", "Check its name.")
    raise UserError(
        f"{folder} holds no {default}.",
        f"Name the files {DEFAULT_IMAGES} and {DEFAULT_LABELS}, or name yours with the options "
        "image and labels.",
    )
