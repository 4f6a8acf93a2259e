"""Opening stacks in napari: lazily, at their pixel size, labels as Labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_unet.layers.arrangement import arrange_after_adding
from napari_unet.stacks.stack_recognition import LayerTuple, OpenedStack
from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS
from training.errors import UserError
from training.formats.hdf5_stack import find_datasets
from training.formats.location import HDF5_ENDINGS
from training.formats.stack import Stack
from training.opening import list_stacks, open_stack

MOST_STACKS = 8  # of an HDF5 file or a folder that are opened at once


@dataclass(frozen=True)
class OpenedFiles:
    """What files hold.

    Parameters
    ----------
    stacks : list of OpenedStack
        In the order of the files.
    left_out : str
        What a person is told of the files of a folder that are not opened; empty if none is.
    """

    stacks: list[OpenedStack]
    left_out: str = ""

    def as_layers(self) -> list[LayerTuple]:
        """Make their layers, images first, so that labels lie over them.

        Returns
        -------
        list of LayerTuple
            Data (Z, Y, X) or (Y, X), or a list of them, arguments and kind of each layer.
        """
        images = [stack for stack in self.stacks if not stack.is_labels]
        labels = [stack for stack in self.stacks if stack.is_labels]
        if images:
            arrange_after_adding(image.data for image in images)
        return [stack.as_layer(self.stacks) for stack in images + labels]


def open_files(paths: Sequence[Path], on_file: Callable[[int, int], None]) -> OpenedFiles:
    """Open files, and look at some of their slices to recognize what they are; any thread may.

    Parameters
    ----------
    paths : sequence of Path
        A folder may hold a pair of volume and labels, slices, a few TIFs that are stacks, or
        arrays, and an HDF5 file several stacks.
    on_file : callable
        Called before each slice that is read and after each stack, with the number of stacks that
        are recognized and of all. What it raises ends the work.

    Raises
    ------
    OtherImageError
        If one is a colour image, or has several channels or times.
    UserError
        If one can't be read.
    """
    left_out = ""
    if len(paths) == 1 and _holds_pair(paths[0]):
        (folder,) = paths
        paths = [folder / DEFAULT_IMAGES, folder / DEFAULT_LABELS]
        left_out = _tell_others(folder)
    places = [stack for path in paths for stack in _stacks_in(path)]
    files: list[Stack] = []
    try:
        for path in places:
            on_file(0, len(places))
            files.append(open_stack(path))
        stacks = []
        for number, file in enumerate(files):
            stacks.append(OpenedStack.of(file, partial(on_file, number, len(files))))
            on_file(number + 1, len(files))
    except Exception:  # of files, or of on_file
        for file in files:
            file.close()
        raise
    return OpenedFiles(stacks, left_out)


def _stacks_in(path: Path) -> list[Path]:
    """List the stacks of an HDF5 file or a folder that has a few; else the path itself."""
    try:
        if path.suffix.lower() in HDF5_ENDINGS:
            found = [path / name for name in find_datasets(path)]
        else:
            found = list_stacks(path) if path.is_dir() else []
    except UserError:  # which is said where it is opened
        found = []
    return found if 1 < len(found) <= MOST_STACKS else [path]


def _holds_pair(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (DEFAULT_IMAGES, DEFAULT_LABELS))


def _tell_others(folder: Path) -> str:
    """Name the stacks beside a training pair, which are not opened."""
    tifs = {path.name for path in folder.iterdir() if path.suffix.lower() in {".tif", ".tiff"}}
    others = ", ".join(sorted(tifs - {DEFAULT_IMAGES, DEFAULT_LABELS}))
    text = f"Not opened, because it is not of the training pair in {folder.name}: {others}."
    return text if others else ""
