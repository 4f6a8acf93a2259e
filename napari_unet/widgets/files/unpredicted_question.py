"""Asks before slices that were never predicted are saved as if they had no membrane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_unet.prediction.live_prediction import find_unpredicted
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import ask
from training.console import list_slices
from training.stacks.stack_axes import as_stack

SAVE, CANCEL = "Save anyway", "Cancel"


class UnpredictedQuestion(QObject):
    """Looks for slices that were not predicted, in a thread, and asks where there are some.

    Parameters
    ----------
    parent : QWidget
        Asks; nothing happens once it is gone.
    remedy : str
        Text of the button for what to do instead.
    on_remedy : callable
        Called with the missing slices where a person presses it.
    """

    failed = Signal(Exception)

    def __init__(
        self, parent: QWidget, remedy: str, on_remedy: Callable[[list[int]], None]
    ) -> None:
        super().__init__(parent)
        self._window, self._remedy, self._on_remedy = parent, remedy, on_remedy
        self._looking = LatestWork(self, _look, self._on_looked, self.failed.emit)

    def ask(self, mask: Labels, probability: Image | None, save: Callable[[], None]) -> None:
        """Call ``save`` if all slices of a predicted mask are there, or a person wants it so."""
        data = None if probability is None else probability.data
        self._looking.request((mask.data, data, save))

    def _on_looked(self, found: tuple[list[int], int, Callable[[], None]]) -> None:
        missing, total, save = found
        answer = SAVE
        if missing:
            roles = QMessageBox.ButtonRole
            named = list_slices(missing)
            end = "" if named.endswith("…") else "."
            answer = ask(
                self._window,
                f"{total - len(missing)} of {total} slices are predicted.",
                f"The others would be saved as if they had no membrane: {named}{end}",
                {
                    self._remedy: roles.AcceptRole,
                    SAVE: roles.DestructiveRole,
                    CANCEL: roles.RejectRole,
                },
                default=self._remedy,
            )
        if answer == SAVE:
            save()
        elif answer == self._remedy:
            self._on_remedy(missing)


def _look(
    request: tuple[Any, Any, Callable[[], None]],
) -> tuple[list[int], int, Callable[[], None]]:
    mask, probability, save = request
    missing = find_unpredicted(mask, probability)
    return missing, len(as_stack(mask)), save
