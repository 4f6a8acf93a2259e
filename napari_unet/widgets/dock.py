"""What the docks have in common."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_unet.widgets.connections import when_deleted

_closed: set[Dock] = set()  # not to be collected by Python before they are deleted by Qt


class Dock(QWidget):
    """A widget that shares its place with the other docks, and is deleted when it is closed.

    napari puts every dock below the last one, where two of them already leave too little
    height for each. And it only takes the widget out of a closed dock; it would go on listening
    to the viewer, unseen.
    """

    closed = Signal()  # the dock alone, not the window with it

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        super().changeEvent(event)
        if event is None or event.type() != QEvent.Type.ParentChange:
            return
        if self.parent() is None:
            self.closed.emit()
            _closed.add(self)
            when_deleted(self, partial(_closed.discard, self))
            self.deleteLater()
        else:
            QTimer.singleShot(0, self._join_tabs)

    def _join_tabs(self) -> None:
        """Become a tab beside another of our docks, if there is one; the one in front."""
        frame = self.parent()
        window = frame.parent() if frame is not None else None
        if not (isinstance(frame, QDockWidget) and isinstance(window, QMainWindow)):
            return
        # On a tab there is no room for the plugin's name, which napari adds in brackets.
        frame.setWindowTitle(frame.windowTitle().partition(" (")[0])
        for other in window.findChildren(QDockWidget):
            is_ours = other is not frame and isinstance(other.widget(), Dock)
            if is_ours and other.isVisible() and not other.isFloating():
                window.tabifyDockWidget(other, frame)
                frame.show()
                QTimer.singleShot(0, frame.raise_)  # the tabs are there only then
                return
