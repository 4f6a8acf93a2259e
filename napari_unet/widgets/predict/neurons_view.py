"""The part of the predict dock that finds neurons in a predicted probability."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.widgets.common.message_line import MessageLine

_AUTOMATIC = 0.0


class NeuronsView(QWidget):
    """A button that finds neurons, its options, and its progress."""

    find_requested = Signal()
    cancel_requested = Signal()
    save_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_available = self._is_running = False
        self._find = QPushButton("Find neurons")
        self._find.setToolTip(
            "Number the regions between membranes of all predicted slices, in a layer of labels."
        )
        self._find.clicked.connect(lambda: self.find_requested.emit())
        self._threshold = QDoubleSpinBox()
        self._threshold.setRange(_AUTOMATIC, 0.99)
        self._threshold.setSingleStep(0.05)
        self._threshold.setSpecialValueText("auto")
        self._threshold.setToolTip(
            "Neighbours are one neuron where the mean probability along their border is lower. "
            "auto: merges that are kept with the model's run decide; else the best threshold on "
            "slices that it was trained on; else 0.5."
        )
        self._threshold.setAccessibleName("Threshold of borders")
        self._link = QCheckBox("Link slices")
        self._link.setToolTip("One number and colour for a neuron that overlaps in two slices.")
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("End the search; neurons found so far are kept.")
        self._cancel.clicked.connect(lambda: self.cancel_requested.emit())
        self._save = QPushButton("Save neurons…")
        self._save.setToolTip("Save the numbers as a TIF stack, with its pixel size.")
        self._save.clicked.connect(lambda: self.save_requested.emit())
        self._save.setEnabled(False)
        self._bar, self._state = QProgressBar(), MessageLine()
        self._bar.setAccessibleName("Progress of the search for neurons")
        self._lay_out()
        self.show_ended("")

    @property
    def threshold(self) -> float | None:
        """The chosen threshold of borders, 0..1; None: the best is to be found."""
        value = float(self._threshold.value())
        return None if value == _AUTOMATIC else value

    @property
    def is_linked(self) -> bool:
        """Whether neurons keep their number from slice to slice."""
        return bool(self._link.isChecked())

    def set_available(self, is_available: bool) -> None:
        """Enable the button while there is a prediction."""
        self._is_available = is_available
        self._find.setEnabled(is_available and not self._is_running)

    def set_saveable(self, is_found: bool) -> None:
        """Enable the button that saves while there are neurons."""
        self._save.setEnabled(is_found)

    def show_begun(self, text: str) -> None:
        """Show that a search goes on whose length is not known yet."""
        self._show_running(True)
        self._bar.setRange(0, 0)
        self._state.tell(text)

    def show_progress(self, done: int, total: int, text: str) -> None:
        """Show how many slices are done."""
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        self._state.tell(text)

    def show_ended(self, text: str) -> None:
        """Show how a search ended."""
        self._show_running(False)
        self._state.tell(text)

    def show_failure(self, error: Exception) -> None:
        """Say why a search failed."""
        self._state.tell_error(error)

    def _lay_out(self) -> None:
        settings = QHBoxLayout()
        settings.addWidget(QLabel("Borders"))
        settings.addWidget(self._threshold)
        settings.addWidget(self._link)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Neurons"))
        buttons = QHBoxLayout()
        buttons.addWidget(self._find, stretch=1)
        buttons.addWidget(self._cancel)
        buttons.addWidget(self._save, stretch=1)
        layout.addLayout(settings)
        layout.addLayout(buttons)
        layout.addWidget(self._bar)
        layout.addWidget(self._state)

    def _show_running(self, is_running: bool) -> None:
        self._is_running = is_running
        self._cancel.setEnabled(is_running)
        self._find.setEnabled(self._is_available and not is_running)
        self._bar.setVisible(is_running)
