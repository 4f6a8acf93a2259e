"""The look at all slices of a layer of neurons, and what they lack of their list of operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari.layers import Labels

from napari_unet.layers.followed_operations import saved_count
from napari_unet.projects.operation_list import OperationList
from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.edits import Volume
from napari_unet.proofreading.history import History
from napari_unet.proofreading.neurons import Neurons
from napari_unet.widgets.common.background import Progress
from napari_unet.widgets.proofread.mask_walls import Masks, catch_up_masks
from napari_unet.widgets.proofread.operation_file import forget, list_of, name_of
from training.errors import UserError

NAMED = 5  # slices


@dataclass(frozen=True)
class ToLoad:
    """A layer, its list of operations, and the masks that can follow."""

    layer: Labels
    lines: OperationList
    labels: Volume
    membrane: Any
    masks: Masks
    look: Progress


@dataclass(frozen=True)
class Loaded:
    """The history of a layer, and what is to be told."""

    layer: Labels
    history: History
    are_slices_linked: bool
    masks: Sequence[Labels] = ()  # that lacked something of the list
    problem: UserError | None = None


def load(wanted: ToLoad) -> Loaded:
    """Look at all slices, and do what the pixels lack of the list."""
    layer, lines = wanted.layer, wanted.lines
    with lines.under_way:
        index = BodyIndex(wanted.labels, wanted.look)
        are_linked = index.are_slices_linked
        neurons = Neurons(wanted.labels, index, wanted.membrane)
        try:
            name, saved = "", None
            if not lines.is_caught_up:
                name = name_of(layer)
                saved = saved_count(layer, name) or 0
            history = History(neurons, lines, saved)
            masks = [] if saved is None else catch_up_masks(wanted.masks, history, name)
        except UserError as error:
            forget(layer)
            return Loaded(layer, History(neurons, list_of(layer)), are_linked, problem=error)
        lines.is_caught_up = True
    return Loaded(layer, history, are_linked, masks, _oddness(layer, history))


def _oddness(layer: Labels, history: History) -> UserError | None:
    """Say where saved pixels are not as their list says."""
    if not history.odd_slices:
        return None
    named = ", ".join(map(str, history.odd_slices[:NAMED]))
    more = " and others" if len(history.odd_slices) > NAMED else ""
    return UserError(
        f"'{layer.name}' was not saved with all of its operations, and pixels on slices {named}"
        f"{more} are other than these say.",
        "Look at these slices: strokes painted at last may be missing.",
    )
