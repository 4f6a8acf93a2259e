"""What a comparison leaves on the disk: mask, probability, figures and a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_unet.evaluation.comparison import Comparison
from napari_unet.evaluation.contact_sheet import (
    MEMBRANE_LEGEND,
    SheetRow,
    class_legend,
    contact_sheet,
)
from napari_unet.evaluation.slice_sets import HELD_OUT, set_of
from napari_unet.layers.slices import full_resolution
from napari_unet.stacks.napari_writer import LayerWriter, OnSlice, write_image, write_labels
from training.files.atomic_files import write_atomically
from training.stacks.sparse_labels import MEMBRANE, channels_of, is_known
from training.stacks.stack_axes import as_stack

ENDINGS = {
    "Mask": (".tif", ".zarr", ".h5"),
    "Probability": (".tif", ".zarr", ".h5", ".mrc"),
    "Figures": (".csv",),
    "Picture": (".png",),
}
"""Of the names that each part may be given; they say its format."""
Writer = Callable[[Path, OnSlice], object]


def export_writers(
    comparison: Comparison,
    mask: Labels,
    truth: Labels,
    probability: Image | None,
    image: Image | None,
) -> Mapping[str, Writer]:
    """Find what can be exported, by the names of :data:`ENDINGS`, each with what writes its file.

    The writers are given a path, and what to call after each slice of a stack. They replace what
    is there, may be called in a thread, and raise a UserError for a file that can't be written.

    Parameters
    ----------
    probability, image : Image or None
        Without them there is no probability, and no picture.
    """
    writers: dict[str, Writer] = {"Mask": _layer_writer(write_labels, mask)}
    if probability is not None:
        writers["Probability"] = _layer_writer(write_image, probability)
    content = comparison.to_csv().encode()
    writers["Figures"] = partial(_write, lambda: content)
    if image is not None and comparison.by_slice():
        draw = partial(draw_slices, comparison, full_resolution(image), full_resolution(truth))
        writers["Picture"] = partial(_write, partial(draw, full_resolution(mask)))
    return writers


def draw_slices(comparison: Comparison, image: Any, truth: Any, mask: Any) -> bytes:
    """Draw the worst, the middle and the best slice, of those held out if they are known.

    Parameters
    ----------
    image, truth, mask : arrays (Z, Y, X) or (Y, X)
        Of the comparison, and the image under them; may be dask arrays.

    Returns
    -------
    bytes
        A PNG file.
    """
    order = comparison.worst_first()
    held_out = [index for index in order if set_of(index, comparison.trained) == HELD_OUT]
    order = held_out or order
    rows = []
    for index in sorted({order[0], order[len(order) // 2], order[-1]}):
        page, labels, found = (np.asarray(as_stack(stack)[index]) for stack in (image, truth, mask))
        predicted, codes = comparison.read_pages(found, labels, page)
        rows.append(
            SheetRow.of_classes(index, page, channels_of(codes), predicted, comparison.classes)
            if comparison.classes
            else SheetRow.of_membrane(index, page, codes == MEMBRANE, predicted, is_known(codes))
        )
    title = f"{comparison.predicted_name} against {comparison.truth_name}"
    legend = class_legend(comparison.classes) if comparison.classes else MEMBRANE_LEGEND
    return contact_sheet(rows, f"{title}: worst, middle and best slice", legend)


def _layer_writer(write: LayerWriter, layer: Image | Labels) -> Writer:
    data, attributes, _ = layer.as_layer_data_tuple()
    return lambda path, on_slice: write(str(path), data, attributes, on_slice)


def _write(content: Callable[[], bytes], path: Path, _: OnSlice) -> None:
    write_atomically(path, content(), follow_links=True)
