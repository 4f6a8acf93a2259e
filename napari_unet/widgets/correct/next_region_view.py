"""Where to look next: the region that is shown, and the slices that are most uncertain."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_unet.widgets.common.steady_label import SteadyLabel
from napari_unet.widgets.correct.corrected_view import slice_links


class NextRegionView(QWidget):
    """A button that asks for the next region, and slices to go to."""

    next_requested = Signal()
    slice_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._button = QPushButton("Next region  (N)")
        self._button.setToolTip("Go to the next region that the model is unsure of; N anywhere.")
        self._button.clicked.connect(lambda: self.next_requested.emit())
        self._where, self._slices = SteadyLabel(1), SteadyLabel(2)
        self._slices.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse)
        self._slices.linkActivated.connect(lambda link: self.slice_requested.emit(int(link)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._button, self._where, self._slices):
            layout.addWidget(widget)

    def show_probability(self, is_there: bool) -> None:
        """Show that nothing is ranked yet, and whether there is a probability to rank."""
        self._button.setEnabled(is_there)
        self._where.setText("")
        self._slices.setText(
            "" if is_there else "Predict first: regions are ranked by the probability."
        )

    def show_place(self, text: str) -> None:
        """Show which region the canvas shows, or what is done to find it."""
        self._where.setText(text)

    def show_slices(self, slices: Iterable[int]) -> None:
        """Show the most uncertain slices, as links."""
        self._slices.setText(f"Most uncertain slices: {slice_links(slices)}")
