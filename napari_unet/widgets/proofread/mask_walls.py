"""The mask that follows its neurons: which one a person chose, and what is changed in it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Layer
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QCheckBox

from napari_unet.layers.followed_operations import note_shown, saved_count
from napari_unet.layers.plugin_layers import (
    CONVENTION_KEY,
    IMAGE_KEY,
    MASK,
    is_paintable_mask,
    role,
)
from napari_unet.layers.slices import stack_shape
from napari_unet.proofreading.catching_up import catch_up
from napari_unet.proofreading.edits import Edit, Volume
from napari_unet.proofreading.history import History, MaskEdit
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.proofread.mendable import why_not_mendable
from training.errors import UserError
from training.stacks.stack_axes import as_stack


class MaskWalls(QObject):
    """Draws in a mask what operations on neurons change there, where a person wants it.

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

    def change(self, change: MaskEdit | None, count: tuple[str, int], *, is_undo: bool) -> str:
        """Do in the mask that a step names what was planned, or take it back; gives a sentence.

        Parameters
        ----------
        change : MaskEdit or None
        count : (str, int)
            The list of operations, and its lines with this one.
        is_undo : bool

        Raises
        ------
        UserError
            If it is not as the step left it; nothing is changed then.
        """
        if change is None:
            return ""
        layer, edit = self._find(change.name), change.edit
        pixels = as_stack(layer.data)
        is_as_left = edit.is_applied(pixels) if is_undo else edit.is_reverted(pixels)
        if not is_as_left or not _fits(edit, pixels):
            note_shown(layer, *count, before=count[1] - 1)
            raise UserError(f"'{change.name}' was painted there since, and stays as it is.")
        if is_undo:
            edit.revert(pixels)
        else:
            edit.apply(pixels)
        _show(layer, *count)
        return f"'{change.name}' follows."

    def catch_up(self, history: History, name: str) -> None:
        """Do in masks what they lack of a list of operations, as napari ended before it was saved.

        Parameters
        ----------
        history : History
            As it was read from the list.
        name : str
            Of the list.
        """
        for layer in filter(self._can_follow, list(self._viewer.layers)):
            saved = saved_count(layer, name)
            if saved is None:
                continue
            pixels = as_stack(layer.data)
            moves = history.mask_moves(layer.name, saved)
            redo, undo = (partial(do, labels=pixels) for do in (Edit.apply, Edit.revert))
            are_of_it = all(_fits(edit, pixels) for edit, _ in moves)
            if are_of_it and catch_up(pixels, moves, redo, undo):
                _show(layer, name, len(history.lines))

    def _find(self, name: str) -> Labels:
        layer: Any = next((layer for layer in self._viewer.layers if layer.name == name), None)
        if layer is None or not self._can_follow(layer):
            raise UserError(f"The mask '{name}' is not there to follow, and stays as it is.")
        return layer

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


def _fits(edit: Edit, mask: Volume) -> bool:
    """Whether a mask can hold the values of an edit, which a stranger may have written."""
    return max(edit.after, int(edit.before.max(initial=0))) <= np.iinfo(mask.dtype).max


def _show(layer: Labels, name: str, count: int) -> None:
    """Draw a mask that has so many lines of a list now."""
    note_shown(layer, name, count, before=count - 1)
    layer.refresh()
