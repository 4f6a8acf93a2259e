"""The reader of napari's File menu: it works in a thread, with progress."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import npe2
from napari import Viewer
from napari.layers import Layer
from napari.utils.notifications import show_info

from napari_unet.text import as_notification
from napari_unet.widgets.common.background import Progress
from napari_unet.widgets.common.dock import PLUGIN
from napari_unet.widgets.files.long_task import do_and_wait
from napari_unet.widgets.files.opening_order import opened_first
from training.errors import UserError
from training.formats.tif_structure import OtherImageError

if TYPE_CHECKING:
    from napari_unet.stacks.napari_reader import OpenedFiles

_NO_LAYERS: list[Any] = [(None,)]  # what napari takes for "read, but there is nothing to add"


def get_reader(path: str | list[str]) -> Callable[[Any], list[Any]]:
    """Give what opens files, see :func:`open_files`; napari's hook.

    Colour images, several channels and time series are left to napari's own readers. napari offers
    this plugin for them too, by their ending alone, and reports a reader that returns None as an
    error.
    """
    paths = [Path(name) for name in ([path] if isinstance(path, str) else path)]
    return partial(_read, paths)


def open_layer(viewer: Viewer, path: Path) -> Layer:
    """Open one stack.

    Parameters
    ----------
    viewer : Viewer
        Gets the layer.
    path : Path
        Of a file or a folder, or inside one, such as ``a.h5/volumes/raw``, which napari itself
        takes for a file that does not exist.

    Raises
    ------
    UserError
        If it can't be read, holds several stacks, or a person cancels it.
    """
    if path.exists():
        layers = viewer.open(path, plugin=PLUGIN)
    else:
        opened = _open([path])
        found = [] if opened is None else opened.as_layers()
        layers = [viewer.add_layer(Layer.create(*layer)) for layer in found]
    if not layers:
        raise UserError(f"{path} was not opened: you cancelled that.")
    if len(layers) > 1:
        raise UserError(f"{path} holds {len(layers)} stacks, not one.", "Open them one by one.")
    return layers[0]


def _read(paths: list[Path], given: str | list[str]) -> list[Any]:
    try:
        with opened_first():
            opened = _open(paths)
    except OtherImageError:
        names = [given] if isinstance(given, str) else given
        return npe2.read(names, stack=names is given, plugin_name="napari")
    if opened is None:
        return _NO_LAYERS
    if opened.left_out:
        show_info(as_notification(opened.left_out))
    return opened.as_layers()


def _open(paths: list[Path]) -> OpenedFiles | None:
    title = f"Opening {paths[0].name}" if len(paths) == 1 else f"Opening {len(paths)} files"
    opened: OpenedFiles | None = do_and_wait(title, partial(_open_in_thread, paths), "File")
    return opened


def _open_in_thread(paths: list[Path], progress: Progress) -> OpenedFiles:
    from napari_unet.stacks.napari_reader import open_files  # takes a second the first time

    return open_files(paths, progress)
