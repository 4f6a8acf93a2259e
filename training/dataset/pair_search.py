"""Finding images and their labels by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.errors import UserError
from training.formats.hdf5_stack import KNOWN_DATASETS, find_datasets
from training.formats.location import (
    FILE_ENDINGS,
    HDF5_ENDINGS,
    is_array_folder,
    is_slice_folder,
    locate,
)

DEFAULT_IMAGES = "train-volume.tif"
DEFAULT_LABELS = "train-labels.tif"
DEFAULT_TEST = "test-volume.tif"
IMAGE_FOLDER = "images"
LABEL_FOLDERS = ("labels", "masks")
LABEL_ENDINGS = ("_labels", "_label", "_mask", "-labels")
_MOST_NAMED = 6  # datasets of a file that a message names
_CHOOSE = "Choose one by --pair IMAGES LABELS on the command line, as two layers in the window."


@dataclass(frozen=True)
class FoundPairs:
    """What a folder or a file holds.

    Parameters
    ----------
    pairs : list of (Path, Path)
        Images and labels.
    left_aside : list of Path
        The other stacks.
    """

    pairs: list[tuple[Path, Path]]
    left_aside: list[Path]

    @property
    def is_default(self) -> bool:
        """Whether it is the pair that the ISBI challenge's names tell."""
        names = [(image.name, labels.name) for image, labels in self.pairs]
        return names == [(DEFAULT_IMAGES, DEFAULT_LABELS)]

    def describe(self) -> list[str]:
        """Name the pairs, and what is left aside."""
        lines = [f"Found {image} with {labels}." for image, labels in self.pairs]
        if self.left_aside:
            lines.append(f"Left aside: {', '.join(path.name for path in self.left_aside)}.")
        return lines


def search_pairs(data: Path) -> FoundPairs:
    """Search a folder, or an HDF5 file, for images and their labels.

    A folder with ``train-volume.tif`` and ``train-labels.tif`` holds that pair alone. Else labels
    lie in ``labels`` or ``masks`` under the names of images in ``images``, their endings aside, and
    folders of slices are stacks there; beside their images, with ``_labels``, ``_label``, ``_mask``
    or ``-labels`` after their names; or with them in an HDF5 file that calls both as programs do,
    such as CREMI's ``volumes/raw``
    and ``volumes/labels/neuron_ids``.

    Raises
    ------
    UserError
        If there is no such folder or file, or two labels fit the same images, or one label two
        images.
    """
    if data.is_file() and data.suffix.lower() in HDF5_ENDINGS:
        return FoundPairs(_pair_inside(data), [])
    if not data.is_dir():
        problem = "is a file, not a folder" if data.exists() else "does not exist"
        raise UserError(f"The data folder {data} {problem}.", "Give the folder of the stacks.")
    beside = list_stacks(data)
    images = list_volumes(data / IMAGE_FOLDER)
    labels = [stack for name in LABEL_FOLDERS for stack in list_volumes(data / name)]
    default = data / DEFAULT_IMAGES, data / DEFAULT_LABELS
    if set(default) <= set(beside):
        pairs = [default]
    else:
        inside = {stack: _pair_inside(stack) for stack in beside}
        stems = {stack: labelled_stem(stack) for stack in beside if not inside[stack]}
        pairs = [
            *_match([stack for stack, stem in stems.items() if not stem], stems),
            *_match(images, {stack: _stem(stack) for stack in labels}),
            *(pair for pairs in inside.values() for pair in pairs),
        ]
    paired = {locate(path).container for pair in pairs for path in pair}
    left_aside = [stack for stack in (*beside, *images, *labels) if stack not in paired]
    return FoundPairs(pairs, left_aside)


def find_pairs(data: Path) -> list[tuple[Path, Path]]:
    """Find the pairs of images and labels in a folder or an HDF5 file, at least one.

    Raises
    ------
    UserError
        As :func:`search_pairs`, and if there is none.
    """
    return search_pairs(data).pairs or [_named_pair(data)]


def find_pair(data: str | Path, image: str = "", labels: str = "") -> tuple[Path, Path]:
    """Find the paths of the image stack and of the label stack.

    Parameters
    ----------
    data : str or Path
        What :func:`search_pairs` searches; may be empty where both names are given.
    image, labels : str
        Names of the files, in the folder or as paths. Where one is empty, ``train-volume.tif`` or
        ``train-labels.tif``; where both are, the only pair that is found.

    Raises
    ------
    UserError
        If the folder or a file does not exist, or there are several pairs.
    """
    folder = Path(data)
    if not (image or labels):
        pairs = search_pairs(folder).pairs
        if len(pairs) > 1:
            raise UserError(
                f"{folder} holds {len(pairs)} pairs of images and labels, where one is wanted.",
                f"Name them by --image and --labels, such as {pairs[0][0]} and {pairs[0][1]}.",
            )
        if pairs:
            return pairs[0]
    return _named_pair(folder, image, labels)


def _named_pair(folder: Path, image: str = "", labels: str = "") -> tuple[Path, Path]:
    paths = [
        find_file(folder, name) if name else _find_default(folder, default)
        for name, default in ((image, DEFAULT_IMAGES), (labels, DEFAULT_LABELS))
    ]
    return paths[0], paths[1]


def find_file(folder: Path, name: str) -> Path:
    """Find a stack by its name in the data folder, or by its path.

    Raises
    ------
    UserError
        If the file or folder that it is in does not exist.
    """
    for path in (folder / name, Path(name)):
        if locate(path).container.exists():
            return path
    raise UserError(f"The file {name} exists neither here nor in {folder}.", "Check its name.")


def _find_default(folder: Path, default: str) -> Path:
    if (folder / default).is_file():
        return folder / default
    if folder.is_file():
        there = ", ".join(find_datasets(folder)[:_MOST_NAMED]) or "none"
        raise UserError(
            f"{folder} has no images beside labels in datasets that are called as programs do "
            f"(of slices it has: {there}).",
            f"Name them, such as --image {folder}/raw --labels {folder}/labels.",
        )
    named = folder if folder.name else folder.absolute()  # not "."
    raise UserError(
        f"{named} does not hold a {default}.",
        f"Name the files {DEFAULT_IMAGES} and {DEFAULT_LABELS}, or such as a.tif and a_labels.tif, "
        f"or put them under one name into {IMAGE_FOLDER} and {LABEL_FOLDERS[0]}; or give yours: by "
        "--image and --labels on the command line, as two layers in the window.",
    )


def list_stacks(folder: Path) -> list[Path]:
    """List the files in a folder that are stacks by their endings, and the folders of arrays."""
    return sorted(
        path
        for path in folder.glob("[!.]*")
        if path.suffix.lower() in FILE_ENDINGS or is_array_folder(path)
    )


def list_volumes(folder: Path) -> list[Path]:
    """List the stacks in a folder, folders of slices among them."""
    return sorted([*list_stacks(folder), *filter(is_slice_folder, folder.glob("[!.]*"))])


def _stem(path: Path) -> str:
    return path.name if is_slice_folder(path) else path.stem


def _pair_inside(file: Path) -> list[tuple[Path, Path]]:
    """Give the pair in an HDF5 file that names both as programs do; at most one."""
    if file.suffix.lower() not in HDF5_ENDINGS:
        return []
    there = find_datasets(file)
    images, labels = (
        [name for name in KNOWN_DATASETS[what] if name in there] for what in ("images", "labels")
    )
    return [(file / images[0], file / labels[0])] if len(images) == len(labels) == 1 else []


def labelled_stem(path: Path) -> str:
    """Give what labels that lie beside their images are called without their ending; else ""."""
    for ending in LABEL_ENDINGS:
        if path.stem.endswith(ending):
            return path.stem.removesuffix(ending)
    return ""


def _match(images: Iterable[Path], labels: Mapping[Path, str]) -> list[tuple[Path, Path]]:
    """Match images with labels of their stems, which are given for each of the labels."""
    pairs: dict[Path, Path] = {}
    for image in images:
        fitting = [path for path, stem in labels.items() if stem == _stem(image)]
        if len(fitting) > 1:
            raise UserError(
                f"{fitting[0]} and {fitting[1]} are both labels of {image}.",
                _CHOOSE,
            )
        for path in fitting:
            if path in pairs:
                raise UserError(f"{path} fits {pairs[path]} and {image}.", _CHOOSE)
            pairs[path] = image
    return [(image, path) for path, image in pairs.items()]
