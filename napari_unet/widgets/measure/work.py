"""What Measure does in threads: measures labels, and writes tables and shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Layer

from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.physical_place import pixel_size_of
from napari_unet.layers.slices import full_resolution, stack_shape
from napari_unet.layers.unpredicted import find_unpredicted, unpredicted_note, unpredicted_slices
from napari_unet.measurement.report import Report, report
from napari_unet.measurement.shapes import write_shapes
from napari_unet.measurement.tables import Table
from napari_unet.measurement.units import size_doubt
from napari_unet.stacks.napari_writer import OnSlice
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.stacks.stack_axes import as_stack


def measuring(labels: Labels, image: Layer | None, is_connected: bool | None) -> Any:
    """Prepare what a thread measures; it takes a function that is told of slices.

    Raises
    ------
    UserError
        If the image is not of the labels' shape.
    """
    shape = stack_shape(labels)
    size = pixel_size_of({"scale": labels.scale, "units": labels.units})
    intensities, doubt = None, ""
    if isinstance(image, Image):
        if stack_shape(image) != shape:
            raise UserError(
                f"'{image.name}' has the shape {stack_shape(image)}, '{labels.name}' {shape}.",
                "Choose the image that the labels are of.",
            )
        intensities = as_stack(full_resolution(image))
        other = pixel_size_of({"scale": image.scale, "units": image.units})
        remedy = "If so, give both layers the right scale."
        doubt = size_doubt(f"'{labels.name}'", size, f"'{image.name}'", other, remedy)
    pages = as_stack(full_resolution(labels))
    noted, name = unpredicted_slices(labels), labels.name
    work = partial(
        report,
        pages,
        shape,
        size,
        f"'{labels.name}'",
        image=intensities,
        is_connected=is_connected,
        classes=layer_classes(labels),
        doubt=doubt,
    )
    return partial(_measure_predicted, work, noted, pages, name)


def _measure_predicted(
    work: Callable[[OnSlice], Report], noted: list[int], pages: Any, name: str, on_slice: OnSlice
) -> Report:
    """Measure, and say which slices were not predicted yet when that began."""
    note = unpredicted_note(find_unpredicted(noted, pages), name)
    found = work(on_slice)
    return replace(found, notes=[note, *found.notes]) if note else found


def write_table(table: Table, path: Path, on_slice: OnSlice) -> str:
    """Write a table as CSV, and say so."""
    write_atomically(path, table.to_csv().encode(), follow_links=True)
    return f"Saved {path.name} in {path.parent}."


def write_objects(found: Report, folder: Path, form: str, ids: list[int], on_slice: OnSlice) -> str:
    """Write the shapes of objects into a folder, and say so; ``on_slice`` is told of objects."""
    done = count()
    write_shapes(
        found.pages,
        found.objects,
        found.scale,
        folder,
        form,
        ids=ids,
        overwrite=True,
        on_object=lambda: on_slice(next(done), len(ids)),
    )
    return f"Saved {count_objects(ids)} in {folder}."


def count_objects(ids: list[int]) -> str:
    """Say how many they are."""
    return "1 object" if len(ids) == 1 else f"{len(ids)} objects"
