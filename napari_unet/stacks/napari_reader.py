"""Opening stacks in napari: lazily, at their pixel size, labels as Labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import npe2
from napari import Viewer
from napari.layers import Layer
from napari.utils.notifications import show_info

from napari_unet.layers.arrangement import arrange_after_adding
from napari_unet.stacks.stack_recognition import LayerTuple, OpenedStack
from napari_unet.text import as_notification
from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS
from training.errors import UserError
from training.formats.hdf5_stack import find_datasets
from training.formats.location import HDF5_ENDINGS
from training.formats.stack import Stack
from training.formats.tif_structure import OtherImageError
from training.opening import list_stacks, open_stack

Reader = Callable[[Any], list[Any]]
MOST_STACKS = 8  # of an HDF5 file or a folder that are opened at once


def get_reader(path: str | list[str]) -> Reader:
    """Choose how to read these files; napari's hook.

    A folder may hold a pair of volume and labels, slices, a few TIFs that are stacks, or arrays,
    and an HDF5 file several stacks. Left to napari's own readers are colour images, several
    channels and time series. napari offers this plugin for them too, by their ending alone, and
    reports a reader that returns None as an error.
    """
    paths = [Path(name) for name in ([path] if isinstance(path, str) else path)]
    folder = paths[0] if len(paths) == 1 and _holds_pair(paths[0]) else None
    if folder is not None:
        paths = [folder / DEFAULT_IMAGES, folder / DEFAULT_LABELS]
    files: list[Stack] = []
    try:
        files.extend(open_stack(stack) for path in paths for stack in _stacks_in(path))
    except OtherImageError:
        _close(files)
        return _read_with_napari
    except UserError as error:
        _close(files)
        return _fail_with(error)
    return partial(_read_files, files, folder)


def read_layers(files: list[Stack]) -> list[LayerTuple]:
    """Make the layers of some stacks, images first, so that labels lie over them.

    Parameters
    ----------
    files : list of Stack
        They are closed as soon as their pixels are no longer needed.

    Returns
    -------
    list of LayerTuple
        Data (Z, Y, X) or (Y, X), or a list of them, arguments and kind of each layer.

    Raises
    ------
    UserError
        If a file is damaged.
    """
    try:
        stacks = [OpenedStack.of(file) for file in files]
    except UserError:
        _close(files)
        raise
    images = [stack for stack in stacks if not stack.is_labels]
    labels = [stack for stack in stacks if stack.is_labels]
    if images:
        arrange_after_adding(image.data for image in images)
    return [stack.as_layer(stacks) for stack in images + labels]


def open_inside(viewer: Viewer, path: Path) -> Layer:
    """Open a stack inside a file, whose path napari takes for one that does not exist.

    Parameters
    ----------
    viewer : Viewer
        Gets the layer.
    path : Path
        Such as ``a.h5/volumes/raw``.

    Raises
    ------
    UserError
        As :func:`open_stack`.
    """
    [(data, attributes, kind)] = read_layers([open_stack(path)])
    return viewer.add_layer(Layer.create(data, attributes, kind))


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


def _read_files(files: list[Stack], folder: Path | None, _: Any) -> list[LayerTuple]:
    layers = read_layers(files)
    if folder is not None:
        opened = {DEFAULT_IMAGES, DEFAULT_LABELS}
        tifs = {path.name for path in folder.iterdir() if path.suffix.lower() in {".tif", ".tiff"}}
        if left := ", ".join(sorted(tifs - opened)):
            text = f"Not opened, because it is not of the training pair in {folder.name}: {left}."
            show_info(as_notification(text))
    return layers


def _read_with_napari(path: str | list[str]) -> list[Any]:
    paths = [path] if isinstance(path, str) else path
    return npe2.read(paths, stack=paths is path, plugin_name="napari")


def _fail_with(error: UserError) -> Reader:
    """Make a reader that says what is wrong with a file, as other readers would not."""

    def read(_: Any) -> list[LayerTuple]:
        raise error

    return read


def _close(files: list[Stack]) -> None:
    for file in files:
        file.close()
