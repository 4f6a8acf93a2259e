"""How wide the borders of ids are that a mask is compared with."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QWidget
from superqt.utils import signals_blocked

from training.label_convention import WIDEST_BORDER, LabelConvention
from training.stacks.label_reading import LabelReading


class BorderChoice(QWidget):
    """Is there while the truth is ids of cells."""

    width_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._width = QSpinBox()
        self._width.setRange(0, WIDEST_BORDER)
        self._width.setSuffix(" px")
        self._width.setKeyboardTracking(False)
        self._width.setToolTip(
            "Pixels within this distance of another id are membrane. At first it is that of the "
            "training of the mask's model, where this is known."
        )
        self._width.valueChanged.connect(self.width_changed)
        label = QLabel("Border between ids")
        label.setBuddy(self._width)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label)
        layout.addWidget(self._width)
        layout.addStretch(1)
        self.show_reading(None)

    def show_reading(self, reading: LabelReading | None) -> None:
        """Show the border that the truth is read with; None: there is no truth."""
        is_ids = reading is not None and reading.convention == LabelConvention.INSTANCES
        self.setVisible(is_ids)
        if reading is not None and is_ids:
            with signals_blocked(self._width):
                self._width.setValue(reading.ids.width)
