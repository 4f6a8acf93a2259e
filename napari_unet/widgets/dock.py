"""What the docks have in common."""

from __future__ import annotations

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget


class Dock(QWidget):
    """A widget that is deleted when a person closes its dock.

    napari only takes it out of the closed dock; it would go on listening to the viewer, unseen.
    """

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        super().changeEvent(event)
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parent() is None:
            self.deleteLater()
