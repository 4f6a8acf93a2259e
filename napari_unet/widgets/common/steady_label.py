"""A label that keeps its height while its text changes."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QWidget

MARGIN = 8  # pixels; links take more than a line


class SteadyLabel(QLabel):
    """Has room for some lines of text from the beginning, so that nothing below it moves.

    Parameters
    ----------
    lines : int
        How many; longer texts take more.
    """

    def __init__(self, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines = lines
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        return max(super().heightForWidth(width), self._least_height())

    def sizeHint(self) -> QSize:  # noqa: N802
        return super().sizeHint().expandedTo(QSize(0, self._least_height()))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return super().minimumSizeHint().expandedTo(QSize(0, self._least_height()))

    def _least_height(self) -> int:
        return self._lines * self.fontMetrics().lineSpacing() + MARGIN
