"""Asks before slices that were never predicted are saved as if they had no membrane."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.plugin_layers import NEURONS, role
from napari_unet.layers.slices import full_resolution, stack_shape
from napari_unet.layers.unpredicted import find_unpredicted, unpredicted_slices
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import ask
from training.console import list_slices

SAVE, CANCEL = "Save anyway", "Cancel"


class _Asked(NamedTuple):
    """What is to be saved by a function, and its slices that are missing, or said to be."""

    layer: Labels
    missing: list[int]
    save: Callable[[], None]


class UnpredictedQuestion(QObject):
    """Looks for slices that were not predicted, in a thread, and asks where there are some.

    Parameters
    ----------
    parent : QWidget
        Asks; nothing happens once it is gone.
    remedy : str
        Text of the button for what to do instead; empty: there is no such button.
    on_remedy : callable
        Called with the missing slices where a person presses it.
    """

    failed = Signal(Exception)

    def __init__(
        self,
        parent: QWidget,
        remedy: str = "",
        on_remedy: Callable[[list[int]], None] = lambda missing: None,
    ) -> None:
        super().__init__(parent)
        self._window, self._remedy, self._on_remedy = parent, remedy, on_remedy
        self._looking = LatestWork(self, _look, self._on_looked, self.failed.emit)

    def ask(self, layer: Labels, save: Callable[[], None]) -> None:
        """Call ``save`` if all slices of a prediction are there, or a person wants it so.

        Parameters
        ----------
        layer : Labels
            A mask, classes or neurons that were predicted, or what has nothing to be asked about.
        """
        self._looking.request(_Asked(layer, unpredicted_slices(layer), save))

    def _on_looked(self, asked: _Asked) -> None:
        layer, missing, save = asked
        answer, total = SAVE, stack_shape(layer)[0]
        if missing:
            roles = QMessageBox.ButtonRole
            buttons = {SAVE: roles.DestructiveRole, CANCEL: roles.RejectRole}
            if self._remedy:
                buttons = {self._remedy: roles.AcceptRole, **buttons}
            named = list_slices(missing)
            end = "" if named.endswith("…") else "."
            fact, look = _words_of(layer, total - len(missing), total)
            consequence = f"The others would be saved as if they {look}: {named}{end}"
            answer = ask(self._window, fact, consequence, buttons, self._remedy or CANCEL)
        if answer == SAVE:
            save()
        elif answer != CANCEL:
            self._on_remedy(missing)


def _look(asked: _Asked) -> _Asked:
    return asked._replace(missing=find_unpredicted(asked.missing, full_resolution(asked.layer)))


def _words_of(layer: Labels, done: int, total: int) -> tuple[str, str]:
    """Say how much of a layer is there, and how the rest looks."""
    if role(layer) == NEURONS:
        return f"{done} of {total} slices were searched for neurons.", "had no neurons"
    look = "were background" if layer_classes(layer) else "had no membrane"
    return f"{done} of {total} slices are predicted.", look
