"""What the values of a layer of labels are, by what it says of itself and by some of its slices."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Layer

from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.plugin_layers import CONVENTION_KEY, MASK, is_sparse_layer, role
from napari_unet.layers.slices import full_resolution
from training.errors import UserError
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.stacks.even_slices import pick_evenly
from training.stacks.label_census import MEANING_SLICES, read_labelled
from training.stacks.label_meaning import LabelMeaning
from training.stacks.label_reading import MASK_READING, LabelReading
from training.stacks.stack_axes import as_stack


def some_values(labels: Any) -> frozenset[int]:
    """List the values in some pixels of a few slices of labels (Z, Y, X) or (Y, X) of int."""
    stack = as_stack(labels)
    picked = pick_evenly(range(len(stack)), 5)
    pages = (np.unique(np.asarray(stack[index])[::4, ::4]) for index in picked)
    return frozenset(int(value) for page in pages for value in page)


def reading_of(truth: Layer, ids: IdBorders = USUAL_BORDERS) -> LabelReading:
    """Find out how the values of a layer of labels are read.

    Strokes, predictions and masks from files say what they are; of others some labelled slices
    are looked at. Where these have no meaning, such as those of a layer that is still empty, all
    values but 0 are membrane.

    Parameters
    ----------
    truth : Layer
        Labels (Z, Y, X) or (Y, X).
    ids : IdBorders
        Which pixels are membrane if they are ids.
    """
    if is_sparse_layer(truth):
        return LabelReading(LabelConvention.SPARSE)
    if classes := layer_classes(truth):
        return LabelReading(LabelConvention.CLASSES, classes=classes)
    if CONVENTION_KEY in truth.metadata or role(truth) == MASK:
        return MASK_READING
    labelled = read_labelled(as_stack(full_resolution(truth)), MEANING_SLICES)
    try:
        return LabelMeaning.of([*labelled.values()], truth.name, ids=ids)
    except UserError:
        return MASK_READING
