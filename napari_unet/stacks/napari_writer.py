"""Saving layers as TIF: masks in a convention, other labels as they are, probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pint

from napari_unet.layers.plugin_layers import CONVENTION_KEY, CORRECTED_KEY, MASK, NEURONS, ROLE_KEY
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.label_convention import LabelConvention
from training.masks.mask_files import (
    write_mask,
    write_numbers,
    write_probability,
    write_sparse_labels,
)
from training.masks.writer_choice import write_stack
from training.stacks.sparse_labels import LabelNote
from training.stacks.stack_axes import as_stack

Attributes = dict[str, Any]


def write_labels(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save a Labels layer; napari's hook.

    A mask (values 0 and 1) is written in the convention of the file that it was opened from,
    else in ISBI's: membrane is 0, inside is 255. Sparse labels keep their values, with a note
    that says what they are; other labels keep theirs.

    Parameters
    ----------
    path : str
        The file; ``.tif`` is added where it has no such ending.
    data : array (Z, Y, X) or (Y, X) of int
        May be a dask array.
    attributes : dict
        As napari hands them to writers.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    UserError
        If the layer is not a stack of grey slices, has negative labels, or can't be written.
    """
    metadata = attributes.get("metadata", {})
    if metadata.get(CONVENTION_KEY) == LabelConvention.SPARSE:
        target, stack = _prepare(path, data, attributes)
        size, corrected = pixel_size_of(attributes), metadata.get(CORRECTED_KEY, [])
        write_sparse_labels(target, stack, corrected, pixel_size=size, overwrite=True)
        return [str(target)]
    return _write_labels(path, data, attributes, metadata.get(CONVENTION_KEY, LabelConvention.ISBI))


def write_labels_membrane(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save a mask with membrane as 255, else as :func:`write_labels`; napari's hook."""
    return _write_labels(path, data, attributes, LabelConvention.MEMBRANE)


def write_image(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save an Image layer, such as a probability, with its own values; napari's hook.

    ``data`` is (Z, Y, X) or (Y, X) of any real dtype; what is not uint8 or uint16 becomes
    float32. Arguments, result and errors as for :func:`write_labels`.
    """
    target, stack = _prepare(path, data, attributes)
    dtype = stack.dtype if stack.dtype in (np.uint8, np.uint16) else np.dtype(np.float32)
    options: dict[str, Any] = {"pixel_size": pixel_size_of(attributes), "overwrite": True}
    write_stack(target, stack, dtype, is_label=False, **options)
    return [str(target)]


def write_submission(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Save a probability of membrane as the ISBI 2012 challenge wants it; napari's hook.

    ``data`` is (Z, Y, X) or (Y, X) of float, from 0 to 1. Arguments and result as for
    :func:`write_labels`.

    Raises
    ------
    UserError
        As :func:`write_labels`, and for other pixels than floats.
    """
    target, stack = _prepare(path, data, attributes)
    if stack.dtype.kind != "f":
        raise UserError(
            f"'{attributes.get('name', path)}' is not a probability: its pixels are {stack.dtype}.",
            "Save the probability layer that a prediction made.",
        )
    size = pixel_size_of(attributes)
    write_probability(target, stack, is_submission=True, pixel_size=size, overwrite=True)
    return [str(target)]


def pixel_size_of(attributes: Attributes) -> PixelSize | None:
    """Find the pixel size of a layer by its scale and units; None where a unit is not a length.

    Parameters
    ----------
    attributes : dict
        As napari hands them to writers.
    """
    units = attributes.get("units")
    scale = attributes.get("scale")
    if units is None or scale is None:
        return None
    registry = pint.get_application_registry()
    lengths = [registry.Quantity(float(s), str(unit)) for s, unit in zip(scale, units, strict=True)]
    if not all(length.is_compatible_with("nm") for length in lengths):
        return None
    sizes = [float(length.to("nm").magnitude) for length in lengths]
    return PixelSize(sizes[-3] if len(sizes) > 2 else None, sizes[-2], sizes[-1])


def _write_labels(
    path: str, data: Any, attributes: Attributes, convention: LabelConvention
) -> list[str]:
    target, stack = _prepare(path, data, attributes)
    extents = [(int(page.min()), int(page.max())) for page in map(np.asarray, stack)]
    largest = max(high for _, high in extents)
    if min(low for low, _ in extents) < 0:
        raise UserError(
            f"'{attributes.get('name', path)}' has negative labels.", "Give them other values."
        )
    metadata = attributes.get("metadata", {})
    role = metadata.get(ROLE_KEY)
    if role == MASK or (largest <= 1 and role != NEURONS):  # a mask, whatever label a stroke had
        size = pixel_size_of(attributes)
        corrected = metadata.get(CORRECTED_KEY, [])
        note = LabelNote(convention, tuple(corrected)).line() if corrected else ""
        write_mask(target, stack, convention, pixel_size=size, note=note, overwrite=True)
    else:
        write_numbers(target, stack, largest, pixel_size=pixel_size_of(attributes), overwrite=True)
    return [str(target)]


def _prepare(path: str, data: Any, attributes: Attributes) -> tuple[Path, Any]:
    """Give the path its ending, and view the data as (Z, Y, X)."""
    target = Path(path)
    if target.suffix.lower() not in (".tif", ".tiff"):
        target = target.with_name(target.name + ".tif")
    is_stack = getattr(data, "ndim", 0) in (2, 3) and not attributes.get("rgb", False)
    if not is_stack:
        raise UserError(
            f"'{attributes.get('name', path)}' is not a stack of grey slices.",
            "Save it with napari's own writer.",
        )
    return target, as_stack(data)
