"""An area that scrolls its content up and down, and never cuts it off sideways."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class VerticalScrollArea(QScrollArea):
    """At least as wide as its content with the scroll bar beside it, whatever is shown in it."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Tab stops at controls alone
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        bar = self.verticalScrollBar()
        width = self.content.minimumSizeHint().width()
        width += bar.sizeHint().width() if bar is not None else 0
        return QSize(width, super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask for another width when the content does, which Qt doesn't pass on."""
        is_asking = event is not None and event.type() == QEvent.Type.LayoutRequest
        if is_asking and watched is self.content:  # not of the frame, which each request would ask
            self.updateGeometry()
        return super().eventFilter(watched, event)
