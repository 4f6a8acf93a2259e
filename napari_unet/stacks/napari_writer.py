"""Saving layers: masks in a convention, other labels as they are, probabilities.

The ending of a name says the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from napari import current_viewer
from numpy.typing import NDArray

from napari_unet.layers.class_layers import read_classes
from napari_unet.layers.physical_place import Attributes, offset_of, pixel_size_of
from napari_unet.layers.plugin_layers import (
    CONVENTION_KEY,
    CORRECTED_KEY,
    MASK,
    NEURONS,
    PROBABILITY,
    ROLE_KEY,
)
from training.errors import UserError
from training.label_classes import LARGEST_VALUE
from training.label_convention import LabelConvention
from training.masks.hdf5_writer import HDF5_ENDINGS
from training.masks.mask_files import (
    write_mask,
    write_numbers,
    write_probability,
    write_sparse_labels,
)
from training.masks.stack_writer import split_path
from training.masks.writer_choice import IMAGE_ENDINGS, LABEL_ENDINGS, is_stack_name, write_stack
from training.masks.zarr_image import ZARR_ENDINGS
from training.stacks.sparse_labels import LabelNote
from training.stacks.stack_axes import as_stack, is_stack

OnSlice = Callable[[int, int], None]
"""Called with how many slices are done, and of how many; what it raises ends the writing."""
LayerWriter = Callable[[str, Any, Attributes, OnSlice], list[str]]
"""Such as :func:`write_labels`."""
DATASETS = {MASK: "mask", PROBABILITY: "probability", NEURONS: "neurons"}
"""Names of datasets in HDF5 files by the role of their layer."""


def _ignore(done: int, total: int) -> None:
    pass


def write_labels(
    path: str, data: Any, attributes: Attributes, on_slice: OnSlice = _ignore
) -> list[str]:
    """Save a Labels layer.

    A mask (values 0 and 1) is written in the convention of the file that it was opened from,
    else in ISBI's: membrane is 0, inside is 255. Sparse labels keep their values, with a note
    that says what they are; other labels keep theirs.

    Parameters
    ----------
    path : str
        Its ending is one of ``LABEL_ENDINGS``, for images of ``IMAGE_ENDINGS``; without any
        ``.tif`` is added. In an HDF5 file the dataset is named after what the layer is.
    data : array (Z, Y, X) or (Y, X) of int
        May be a dask array, have axes of length 1 before these, or be a list of sizes, of which
        the largest is taken.
    attributes : dict
        As napari hands them to writers.
    on_slice : callable
        Called after each slice.

    Returns
    -------
    list of str
        Where it was written.

    Raises
    ------
    UserError
        If the path has another ending, or is open as another layer; if the layer is not a stack of
        grey slices, has negative labels, or can't be written.
    """
    metadata = attributes.get("metadata", {})
    convention = metadata.get(CONVENTION_KEY, LabelConvention.ISBI)
    if convention == LabelConvention.SPARSE:
        target, stack = _prepare(path, data, attributes, LABEL_ENDINGS, "labels")
        corrected, pages = metadata.get(CORRECTED_KEY, []), _WatchedSlices(stack, on_slice)
        write_sparse_labels(target, pages, corrected, **_options(attributes))
        return [str(target)]
    return _write_labels(path, data, attributes, convention, on_slice)


def write_labels_membrane(
    path: str, data: Any, attributes: Attributes, on_slice: OnSlice = _ignore
) -> list[str]:
    """Save a mask with membrane as 255, else as :func:`write_labels`."""
    return _write_labels(path, data, attributes, LabelConvention.MEMBRANE, on_slice)


def write_image(
    path: str, data: Any, attributes: Attributes, on_slice: OnSlice = _ignore
) -> list[str]:
    """Save an Image layer, such as a probability, with its own values.

    ``data`` is (Z, Y, X) or (Y, X) of any real dtype; what is not uint8 or uint16 becomes
    float32. Arguments, result and errors as for :func:`write_labels`.
    """
    target, stack = _prepare(path, data, attributes, IMAGE_ENDINGS, "raw")
    dtype = stack.dtype if stack.dtype in (np.uint8, np.uint16) else np.dtype(np.float32)
    pages = _WatchedSlices(stack, on_slice)
    write_stack(target, pages, dtype, is_label=False, **_options(attributes))
    return [str(target)]


def write_submission(
    path: str, data: Any, attributes: Attributes, on_slice: OnSlice = _ignore
) -> list[str]:
    """Save a probability of membrane as the ISBI 2012 challenge wants it.

    ``data`` is (Z, Y, X) or (Y, X) of float, from 0 to 1. Arguments and result as for
    :func:`write_labels`.

    Raises
    ------
    UserError
        As :func:`write_labels`, and for other pixels than floats.
    """
    target, stack = _prepare(path, data, attributes, IMAGE_ENDINGS, "submission")
    if stack.dtype.kind != "f":
        raise UserError(
            f"'{attributes.get('name', path)}' is not a probability: its pixels are {stack.dtype}.",
            "Save the probability layer that a prediction made.",
        )
    pages = _WatchedSlices(stack, on_slice)
    write_probability(target, pages, is_submission=True, **_options(attributes))
    return [str(target)]


def _write_labels(
    path: str,
    data: Any,
    attributes: Attributes,
    convention: LabelConvention,
    on_slice: OnSlice,
) -> list[str]:
    target, stack = _prepare(path, data, attributes, LABEL_ENDINGS, "labels")
    looks, count = 2, len(stack)  # at each slice: for its values, and to write it
    extents = [
        (int(page.min()), int(page.max()))
        for page in _WatchedSlices(stack, lambda done, _: on_slice(done, looks * count))
    ]
    pages = _WatchedSlices(stack, lambda done, _: on_slice(count + done, looks * count))
    largest = max(high for _, high in extents)
    if min(low for low, _ in extents) < 0:
        raise UserError(
            f"'{attributes.get('name', path)}' has negative labels.", "Give them other values."
        )
    metadata = attributes.get("metadata", {})
    role = metadata.get(ROLE_KEY)
    classes = read_classes(metadata)
    if classes and largest <= LARGEST_VALUE:
        options = {"is_label": True, "classes": classes, **_options(attributes)}
        write_stack(target, pages, np.uint8, **options)
    elif role == MASK or (largest <= 1 and role != NEURONS):  # a mask, whatever label a stroke had
        corrected = metadata.get(CORRECTED_KEY, [])
        note = LabelNote(convention, tuple(corrected)).line() if corrected else ""
        write_mask(target, pages, convention, note=note, **_options(attributes))
    else:
        write_numbers(target, pages, largest, **_options(attributes))
    return [str(target)]


def _options(attributes: Attributes) -> dict[str, Any]:
    """Say where a layer lies, and that what is there is replaced: napari has asked."""
    size, offset = pixel_size_of(attributes), offset_of(attributes)
    return {"pixel_size": size, "offset": offset, "overwrite": True}


class _WatchedSlices:
    """Slices (Z, Y, X) that are read one by one, which is told."""

    ndim = 3

    def __init__(self, stack: Any, on_slice: OnSlice) -> None:
        self._stack, self._on_slice = stack, on_slice
        self.shape, self.dtype = stack.shape, stack.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for index in range(len(self)):
            yield np.asarray(self._stack[index])
            self._on_slice(index + 1, len(self))


def _prepare(
    path: str, data: Any, attributes: Attributes, endings: tuple[str, ...], dataset: str
) -> tuple[Path, Any]:
    """Complete the path with an ending or a dataset, and view the data as (Z, Y, X)."""
    name, role = attributes.get("name", path), attributes.get("metadata", {}).get(ROLE_KEY)
    pixels = data[0] if attributes.get("multiscale", False) else data
    if not is_stack(pixels) or attributes.get("rgb", False):
        raise UserError(
            f"'{name}' is not a stack of grey slices.", "Save it with napari's own writer."
        )
    target = _complete(Path(path), endings, DATASETS.get(role, dataset))
    _check_unused(target, name)
    return target, as_stack(pixels)


def _complete(path: Path, endings: tuple[str, ...], dataset: str) -> Path:
    """Give a path an ending where it has none, and an HDF5 file the name of a dataset.

    Raises
    ------
    UserError
        If it has another ending than these.
    """
    ending = path.suffix.lower()
    if ending in HDF5_ENDINGS:
        return path / dataset
    if ending in endings or (not ending and is_stack_name(path)):
        return path
    if not ending:
        return path.with_name(f"{path.name}.tif")
    raise UserError(
        f"{path.name} is not named in a format that is written.",
        f"End its name in {', '.join(endings[:-1])} or {endings[-1]}.",
    )


def _check_unused(target: Path, name: str) -> None:
    """Refuse to replace a folder of arrays that another layer may be reading.

    Raises
    ------
    UserError
    """
    found, viewer = split_path(target, ZARR_ENDINGS), current_viewer()
    is_whole = found is not None and not found[1] and found[0].is_dir()
    for layer in viewer.layers if viewer and is_whole else ():
        source = layer.source.path
        is_within = source is not None and Path(source).resolve().is_relative_to(target.resolve())
        if is_within and layer.name != name:
            raise UserError(
                f"{target.name} is open as the layer '{layer.name}'.", "Choose another name."
            )
