"""Which slices of a mask a person has corrected throughout."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_unet.widgets.common.steady_label import SteadyLabel

LINK_COLOR = "#4A90D9"


class CorrectedView(QWidget):
    """A button that marks the slice that is shown, and the list of those that are marked."""

    mark_toggled = Signal(bool)
    slice_requested = Signal(int)
    truth_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mark = QPushButton()
        self._mark.setCheckable(True)
        self._mark.setToolTip(
            "Say that every pixel of this slice is right now, edited or not; C on the canvas."
        )
        self._mark.clicked.connect(self.mark_toggled)
        self._use = QPushButton("Use as ground truth")
        self._use.setToolTip(
            "Put the corrected slices into the layer of labels, beside the strokes on other slices."
        )
        self._use.clicked.connect(lambda: self.truth_requested.emit())
        self._list = SteadyLabel(2)
        self._list.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse)
        self._list.linkActivated.connect(lambda link: self.slice_requested.emit(int(link)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._mark)
        layout.addWidget(self._use)
        layout.addWidget(self._list)

    def show_slices(self, shown: int | None, corrected: list[int], edited: set[int]) -> None:
        """Show which slices are corrected, and which were edited without being marked."""
        self._mark.setEnabled(shown is not None)
        self._mark.setChecked(shown in corrected)
        slice_name = "this slice" if shown is None else f"slice {shown}"
        self._mark.setText(f"Mark {slice_name} as correct")
        self._use.setEnabled(bool(corrected))
        lines = [
            f"Corrected: {slice_links(corrected)}" if corrected else "No slice is corrected yet."
        ]
        unmarked = sorted(edited - set(corrected))
        if unmarked:
            lines.append(f"Edited, but not marked: {slice_links(unmarked)}")
        self._list.setText("<br>".join(lines))


def slice_links(slices: Iterable[int]) -> str:
    """Numbers of slices as links, in a colour to be read on dark and light ground."""
    return ", ".join(
        f'<a href="{index}" style="color: {LINK_COLOR}">{index}</a>' for index in slices
    )
