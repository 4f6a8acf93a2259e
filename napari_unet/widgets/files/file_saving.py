"""The writers of napari's File menu: they save in a thread, with progress."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from napari_unet.layers.physical_place import Attributes
from napari_unet.stacks import napari_writer
from napari_unet.stacks.napari_writer import LayerWriter
from napari_unet.widgets.files.long_task import do_and_wait


def write_labels(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save a Labels layer, see :func:`napari_writer.write_labels`; napari's hook."""
    return _write(napari_writer.write_labels, path, data, attributes)


def write_labels_membrane(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save a mask with membrane as 255, see :func:`write_labels`; napari's hook."""
    return _write(napari_writer.write_labels_membrane, path, data, attributes)


def write_image(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save an Image layer, see :func:`napari_writer.write_image`; napari's hook."""
    return _write(napari_writer.write_image, path, data, attributes)


def write_submission(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save a probability as ISBI's, see :func:`napari_writer.write_submission`; napari's hook."""
    return _write(napari_writer.write_submission, path, data, attributes)


def _write(write: LayerWriter, path: str, data: Any, attributes: Attributes) -> list[str]:
    work = partial(write, path, data, attributes)
    written = do_and_wait(f"Saving {Path(path).name}", work)
    return [] if written is None else [str(name) for name in written]
