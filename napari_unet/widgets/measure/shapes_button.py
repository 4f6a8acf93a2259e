"""The button that exports the shapes of objects."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

_FORMS = {
    "Meshes (.ply)…": "ply",
    "Meshes (.glb)…": "glb",
    "Skeletons (.swc)…": "swc",
}


class ShapesButton(QPushButton):
    """Offers the forms of :mod:`shapes` in a menu."""

    requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Export shapes of chosen…", parent)
        self.setToolTip("Save the surfaces or the centre lines of the chosen objects, a file each.")
        menu = QMenu(self)
        for title, form in _FORMS.items():
            action: Any = menu.addAction(title)
            action.triggered.connect(partial(self._on_triggered, form))
        self.setMenu(menu)

    def _on_triggered(self, form: str, _: bool = False) -> None:
        self.requested.emit(form)
