"""Learning on: a button that asks for it, and what became of it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_unet.widgets.common.message_line import MessageLine


class LearnOnView(QWidget):
    """Asks to learn on, and afterwards to use the new model."""

    learn_requested = Signal()
    use_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._begin = QPushButton("Keep training")
        self._begin.setToolTip(
            "Train on from the model in use, with the labels and the corrected slices; Train "
            "shows it. The old model stays."
        )
        self._use = QPushButton()
        self._use.setToolTip(
            "Predict all slices with the new model, into the same layers; corrected slices stay."
        )
        self._use.hide()
        self._text = MessageLine()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._begin)
        layout.addWidget(self._use)
        layout.addWidget(self._text)
        self._begin.clicked.connect(lambda: self.learn_requested.emit())
        self._use.clicked.connect(lambda: self.use_requested.emit())

    def show_state(self, text: str, *, can_begin: bool) -> None:
        """Show in a sentence where things stand, and whether to learn on can be asked for."""
        self._text.tell(text)
        self._begin.setEnabled(can_begin)
        self._use.hide()

    def show_failure(self, error: Exception) -> None:
        """Say why nothing was learned; it can be tried again."""
        self.show_state("", can_begin=True)
        self._text.tell_error(error)

    def offer_model(self, is_in_use: bool) -> None:
        """Offer to predict with the new model, which is in use already or is not better."""
        self._use.setText(
            "Predict with new model" if is_in_use else "Predict with new model anyway"
        )
        self._use.show()

    def withdraw_model(self) -> None:
        """Take the offer back."""
        self._use.hide()
