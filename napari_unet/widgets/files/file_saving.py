"""The writers of napari's File menu: they save in a thread, with progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_unet.layers.physical_place import Attributes
from napari_unet.layers.unpredicted import UNPREDICTED_KEY, find_unpredicted, unpredicted_note
from napari_unet.stacks import napari_writer
from napari_unet.stacks.napari_writer import LayerWriter
from napari_unet.widgets.common.background import Progress
from napari_unet.widgets.common.messages import warn
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
    noted = attributes.get("metadata", {}).get(UNPREDICTED_KEY, [])

    def save(progress: Progress) -> tuple[list[str], str]:
        missing = find_unpredicted(noted, data)
        note = unpredicted_note(missing, attributes.get("name", path))
        return write(path, data, attributes, progress), note

    saved = do_and_wait(f"Saving {Path(path).name}", save)
    if saved is None:
        return []
    written, note = saved
    if note:
        warn(f"{Path(path).name} is saved. {note}")
    return [str(name) for name in written]
