"""Views of the predict dock: how to predict, how far it is, and the threshold."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_unet.widgets.common.messages import plain_label
from training.console import list_slices
from training.stacks.intensities import Membranes

DECIMALS = 2  # of the threshold
_MEMBRANES = {
    Membranes.AUTO: "Automatic",
    Membranes.DARK: "Dark",
    Membranes.LIGHT: "Light",
}


class PredictionOptions(QWidget):
    """Options: how slices are predicted, and whether that follows the slider."""

    scroll_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scroll = QCheckBox("Predict as I scroll")
        self._scroll.setToolTip("Predict the slice that is shown while the slider moves.")
        self._scroll.toggled.connect(self.scroll_toggled)
        self._tta = QCheckBox("Average over flips (8x slower)")
        self._tta.setToolTip(
            "Take the mean over flips and quarter turns: a better mask, eight times slower."
        )
        self._resample = QCheckBox("Resample to the model's pixel size")
        self._resample.setToolTip(
            "Predict at the pixel size that the model was trained on; the mask has the image's."
        )
        self._membranes = QComboBox()
        for membranes, title in _MEMBRANES.items():
            self._membranes.addItem(title, membranes)
        self._membranes.setToolTip(
            "Those of this image. Automatic: the starter finds them out; to other models they are "
            "as in their training."
        )
        row = QHBoxLayout()
        label = QLabel("Membranes")
        label.setBuddy(self._membranes)
        row.addWidget(label)
        row.addWidget(self._membranes)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        for box in (self._scroll, self._tta, self._resample):
            layout.addWidget(box, alignment=Qt.AlignmentFlag.AlignLeft)

    @property
    def is_scrolling(self) -> bool:
        """Whether the slice that is shown is predicted while the slider moves."""
        return self._scroll.isChecked()

    @property
    def chosen(self) -> tuple[bool, bool, Membranes]:
        """How slices are predicted.

        Whether as the mean over flips and turns, whether at the pixel size of the model's training,
        and which membranes the image has.
        """
        return (
            self._tta.isChecked(),
            self._resample.isChecked(),
            Membranes(self._membranes.currentData()),
        )

    def stop_scrolling(self) -> None:
        """Stop predicting the slice that is shown."""
        self._scroll.setChecked(False)


class PredictionProgress(QWidget):
    """Buttons that start a prediction, the one that cancels it, and its progress."""

    all_requested = Signal()
    slice_requested = Signal()
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._all = QPushButton("Predict all slices")
        self._all.setToolTip("Predict the whole stack; slices appear as they are done.")
        self._all.clicked.connect(self.all_requested)
        self._slice = QPushButton("This slice")
        self._slice.setToolTip("Predict only the slice that is shown.")
        self._slice.clicked.connect(self.slice_requested)
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("Stop after the slice under way; finished slices are kept.")
        self._cancel.clicked.connect(self.cancel_requested)
        self._bar = QProgressBar()
        self._bar.setAccessibleName("Progress of the prediction")
        self._state, self._missing = plain_label(), plain_label()
        self._state.setWordWrap(True)
        self._missing.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self._all, stretch=1)
        buttons.addWidget(self._slice)
        buttons.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._missing)
        layout.addWidget(self._bar)
        layout.addWidget(self._state)
        self._is_running = self._is_missing = False
        self.end("")

    def show_missing(self, missing: str) -> None:
        """Show what a prediction still needs; nothing if it can begin."""
        self._missing.setText(missing)
        self._missing.setVisible(bool(missing))
        self._is_missing = bool(missing)
        self._enable()

    def begin(self, total: int) -> None:
        """Show that a prediction of ``total`` slices has begun."""
        self._set_running(True)
        self._bar.setRange(0, total)
        self._bar.setValue(0)
        self._state.setText("Loading the model…")

    def show_progress(self, done: int, text: str) -> None:
        """Show how many slices are done, and the same in words."""
        self._bar.setValue(done)
        self._state.setText(text)

    def end(self, text: str) -> None:
        """Show how the prediction ended."""
        self._set_running(False)
        self._state.setText(text)
        self._state.setVisible(bool(text))

    def _set_running(self, is_running: bool) -> None:
        self._is_running = is_running
        self._bar.setVisible(is_running)
        self._state.setVisible(is_running)
        self._enable()

    def _enable(self) -> None:
        """Let only that be clicked which can be done; no button gives its place to another."""
        for button in (self._all, self._slice):
            button.setEnabled(not (self._is_running or self._is_missing))
        self._cancel.setEnabled(self._is_running)


class ThresholdView(QWidget):
    """The threshold, and the slices that it leaves alone."""

    threshold_changed = Signal(float)
    release_requested = Signal()

    def __init__(self, threshold: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0.01, 0.99)
        self._slider.setSingleStep(0.01)  # type: ignore[arg-type]  # it takes floats
        self._slider.setDecimals(DECIMALS)
        self._slider.setToolTip("Pixels of at least this probability are membrane.")
        self._slider.setAccessibleName("Threshold")
        self.show_threshold(threshold)
        self._slider.valueChanged.connect(self._on_moved)
        self._note = plain_label()
        self._note.setWordWrap(True)
        self._release = QPushButton("Drop corrections…")
        self._release.setToolTip("Let the threshold decide the corrected slices again.")
        self._release.clicked.connect(self.release_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._note)
        layout.addWidget(self._release)
        self.show_kept([])

    @property
    def threshold(self) -> float:
        """Probability from which on a pixel is membrane, 0..1, as it is shown."""
        return self._threshold

    def show_threshold(self, threshold: float) -> None:
        """Show the threshold, 0..1, that the mask follows."""
        self._threshold = round(threshold, DECIMALS)
        with signals_blocked(self._slider):
            self._slider.setValue(self._threshold)

    def _on_moved(self, value: float) -> None:
        """Take the value that is shown, and not one between two steps."""
        threshold = round(value, DECIMALS)
        if threshold != self._threshold:
            self._threshold = threshold
            self.threshold_changed.emit(threshold)

    def show_kept(self, slices: list[int]) -> None:
        """Show which slices were corrected by hand."""
        self._note.setVisible(bool(slices))
        self._release.setVisible(bool(slices))
        self._note.setText(_kept_note(slices))


def _kept_note(slices: list[int]) -> str:
    if len(slices) == 1:
        return f"Slice {slices[0]} was edited by hand; the threshold leaves it alone."
    return f"Slices {list_slices(slices)} were edited by hand; the threshold leaves them alone."
