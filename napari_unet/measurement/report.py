"""All that is measured of labels at once, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.id_pages import ConnectedParts, IdPages, Ways, check_ids, no_objects
from napari_unet.measurement.measuring import Measured, measure
from napari_unet.measurement.object_table import measure_objects
from napari_unet.measurement.summary import describe, describe_briefly, summarize
from napari_unet.measurement.tables import Table, object_table, slice_table
from napari_unet.measurement.units import Scale, Units
from napari_unet.stacks.large_array import allocate
from training.formats.pixel_size import PixelSize
from training.label_classes import NO_CLASSES, LabelClasses
from training.stacks.scaling import Slices

WINDOW_WAYS = Ways("Choose 'connected parts'", "'each value'", "under 'Intensities'")


@dataclass(frozen=True)
class Report:
    """The tables of labels, and what is to be said of them.

    Parameters
    ----------
    objects, slices : Table
        A row for each object, and for each object in each slice; of one slice they are the same.
    headline : str
        How many objects there are, and of each class.
    sentences : list of str
        The whole summary.
    notes : list of str
        What speaks against the measures, such as an unknown pixel size.
    pages : slices (Y, X) of int64 or uint64
        The ids of the tables.
    scale : Scale
        Of a voxel.
    parts : array (Z, Y, X) of int64 or None
        Connected parts, where these were measured, by the ids of the tables.
    """

    objects: Table
    slices: Table
    headline: str
    sentences: list[str]
    notes: list[str]
    pages: Slices
    scale: Scale
    parts: NDArray[Any] | None = None

    @property
    def is_flat(self) -> bool:
        """Whether it is of one slice."""
        return self.objects is self.slices


def report(
    labels: Slices,
    shape: tuple[int, int, int],
    size: PixelSize | None,
    name: str,
    on_slice: Callable[[int, int], None] = lambda done, total: None,
    *,
    image: Slices | None = None,
    is_connected: bool | None = None,
    classes: LabelClasses = NO_CLASSES,
    doubt: str = "",
) -> Report:
    """Measure labels.

    Parameters
    ----------
    labels : slices (Y, X) of numbers
        What lies in ``shape``, (Z, Y, X); 0 is no object.
    size : PixelSize or None
        None: it is not known.
    name : str
        What messages call the labels.
    on_slice : callable
        Called with slices done, of how many; what it raises ends the work.
    image : slices (Y, X) or None
        Intensities, of the same shape.
    is_connected : bool or None
        Whether each connected part of a value is an object, not each value; None: of classes each
        part, else each value, but neither a mask nor an image is measured.
    classes : LabelClasses
        What the values are, where it is known.
    doubt : str
        What speaks against the image; empty for nothing.

    Raises
    ------
    UserError
        If the labels have no objects, or are a mask or an image.
    """
    ids, notes = IdPages(labels, name, classes), [doubt]
    if is_connected is None:
        notes.append(PARTS_OF_CLASSES if classes else check_ids(ids, WINDOW_WAYS))
        is_connected = bool(classes)
    progress = _Progress(shape[0] * (2 if is_connected else 1), on_slice)
    pages = ConnectedParts(ids, progress.step) if is_connected else ids
    units = Units.of(size)
    measured = measure(pages, shape, units, image=image, on_slice=progress.step)
    if not any(len(regions.columns["id"]) for regions in measured.slices):
        raise no_objects(name)
    slices = say_kinds(slice_table(measured), pages)
    objects = slices
    if shape[0] > 1:
        objects = say_kinds(objects_of(measured, progress.repeat), pages)
    notes += [_units_note(units), "" if units.has_square_pixels else NO_PERIMETERS]
    summary = summarize(measured, objects, classes)
    parts = _fill(pages, progress) if isinstance(pages, ConnectedParts) else None
    said = [note for note in notes if note]
    for table in (slices, objects):
        _ = table.keys  # here, not while a window waits for them
    told = describe_briefly(summary), describe(summary)
    return Report(objects, slices, *told, said, pages, units.space, parts)


NO_PERIMETERS = "Perimeters are left out, because pixels are not square."
PARTS_OF_CLASSES = "Connected parts of classes are objects."


def objects_of(measured: Measured, on_object: Callable[[], object] = lambda: None) -> Table:
    """Make the table with one row for each object; ``on_object`` is called after each."""
    if measured.is_flat:
        return slice_table(measured)
    return object_table(measured, measure_objects(measured, on_object))


def say_kinds(table: Table, pages: IdPages | ConnectedParts) -> Table:
    """Add the value of each object in the labels, and the name of its class, where they have such.

    Objects that are not connected parts are their values.
    """
    values = pages.values_of(table.columns["object"])
    kinds: dict[str, Any] = {}
    if isinstance(pages, ConnectedParts):
        has_several = len(np.unique(pages.values[1:])) > 1
        kinds |= {"value": values} if has_several or pages.classes else {}
    if pages.classes:
        names = {member.value: member.name for member in pages.classes.members}
        kinds["class"] = [names.get(value, "") for value in values.tolist()]
    return table.with_kinds(kinds)


class _Progress:
    def __init__(self, total: int, tell: Callable[[int, int], None]) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def step(self) -> None:
        self._done += 1
        self.repeat()

    def repeat(self) -> None:
        self._tell(self._done, self._total)


def _fill(parts: ConnectedParts, progress: _Progress) -> NDArray[Any]:
    filled = allocate(parts.shape, parts.dtype)
    for index, page in enumerate(parts):
        filled[index] = page
        progress.repeat()
    return filled


def _units_note(units: Units) -> str:
    if not units.plane.is_known:
        return (
            "The pixel size is not known: all is in pixels, as if voxels were cubes. Set the "
            "layer's scale and units to measure in nm."
        )
    if not units.space.is_known:
        return "The distance of slices is not known: what is measured in space is in pixels."
    return ""
