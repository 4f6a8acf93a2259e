"""The mask that follows its neurons: which one a person chose, and what is changed in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Layer
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QCheckBox

from napari_unet.layers.followed_operations import saved_count
from napari_unet.layers.plugin_layers import (
    CONVENTION_KEY,
    IMAGE_KEY,
    MASK,
    is_paintable_mask,
    role,
)
from napari_unet.layers.slices import stack_shape
from napari_unet.proofreading.catching_up import catch_up
from napari_unet.proofreading.edits import Edit, Volume, change_slices
from napari_unet.proofreading.history import History, MaskEdit
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.proofread.mendable import why_not_mendable
from training.errors import UserError
from training.stacks.stack_axes import as_stack

Masks = dict[str, Labels]


class MaskWalls(QObject):
    """The masks in which is drawn what operations on neurons change there, where it is wanted.

    Attributes
    ----------
    check : QCheckBox
        Whether it is wanted.
    choice : LayerChoice
        The mask.
    """

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._neurons: Layer | None = None
        self.check = QCheckBox("Draw walls in")
        self.check.setToolTip(
            "A split draws membrane between its parts in the mask, and a merge erases what stands "
            "between the merged neurons. Undo takes both back."
        )
        self.choice = LayerChoice(viewer, self._is_offered, self._likelihood, nothing="No mask yet")
        self.choice.setToolTip("The mask of membranes to draw in.")

    def hold(self, neurons: Layer | None) -> None:
        """Offer the masks of the size of these neurons."""
        self._neurons = neurons
        self.choice.refresh()

    def wanted(self) -> tuple[str, Volume] | None:
        """The name and the pixels (Z, Y, X) of the mask that is to follow; None if none is.

        Raises
        ------
        UserError
            If the chosen one can't be drawn in.
        """
        layer: Any = self.choice.layer
        if not self.check.isChecked():
            return None
        if layer is None:
            problem = "No mask is chosen to draw walls in."
            raise UserError(problem, "Choose one, or take the mark from 'Draw walls in'.")
        if why := why_not_mendable(layer):
            raise UserError(why, "Choose another mask, or take the mark from 'Draw walls in'.")
        return layer.name, as_stack(layer.data)

    def masks(self) -> Masks:
        """The masks that can follow the neurons, by their names."""
        return {layer.name: layer for layer in self._viewer.layers if self._can_follow(layer)}

    def _can_follow(self, layer: Any) -> bool:
        return self._is_offered(layer) and not why_not_mendable(layer)

    def _is_offered(self, layer: Layer) -> bool:
        neurons = self._neurons
        if neurons is None or layer == neurons or not is_paintable_mask(layer):
            return False
        return stack_shape(layer) == stack_shape(neurons)

    def _likelihood(self, layer: Layer) -> int:
        """How likely a mask is that of the neurons; one of another image is not."""
        image = None if self._neurons is None else self._neurons.metadata.get(IMAGE_KEY)
        if image is not None and layer.metadata.get(IMAGE_KEY, image) != image:
            return 0
        return 2 * (role(layer) == MASK) + (CONVENTION_KEY in layer.metadata)


def change_mask(masks: Masks, change: MaskEdit, *, is_undo: bool) -> str:
    """Do in the mask that a step names what was planned, or take it back, in any thread.

    Parameters
    ----------
    masks : dict
        Those that can follow.
    change : MaskEdit
    is_undo : bool

    Returns
    -------
    str
        A sentence that says so; or why the mask stays as it is.
    """
    if change.name not in masks:
        return f"The mask '{change.name}' is not there to follow, and stays as it is."
    pixels, edit = as_stack(masks[change.name].data), change.edit
    if not _fits(edit, pixels) or change_slices(pixels, edit, is_undo=is_undo) is None:
        return f"'{change.name}' was painted there since, and stays as it is."
    return f"'{change.name}' follows."


def catch_up_masks(masks: Masks, history: History, name: str) -> list[Labels]:
    """Do in masks what they lack of a list, as napari ended before it was saved, in any thread.

    Parameters
    ----------
    masks : dict
        Those that can follow.
    history : History
        As it was read from the list.
    name : str
        Of the list.

    Returns
    -------
    list of Labels
        The masks that were changed.
    """
    found = []
    for layer in masks.values():
        saved = saved_count(layer, name)
        if saved is None:
            continue
        pixels, moves = as_stack(layer.data), history.mask_moves(layer.name, saved)
        if all(_fits(edit, pixels) for edit, _ in moves) and catch_up(pixels, moves).changed:
            found.append(layer)
    return found


def _fits(edit: Edit, mask: Volume) -> bool:
    """Whether a mask can hold the values of an edit, which a stranger may have written."""
    return max(edit.after, int(edit.before.max(initial=0))) <= np.iinfo(mask.dtype).max
