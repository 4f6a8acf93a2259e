"""Progress of a training: headline, bar, figures and curves."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_unet.runs.run_progress import RunProgress
from napari_unet.text import as_html
from napari_unet.widgets.common.messages import plain_label, plain_tooltip
from napari_unet.widgets.common.vertical_scroll import VerticalScrollArea
from napari_unet.widgets.train.curves_view import CurvesView

# Figures side by side, each with the longest text that it has room for; the last has a row.
_PAIRS = (("Epoch", "Step"), ("Loss", "Images/s"), ("Dice", "Best"))
_LONGEST = ("999 of 999", "0.9999, epoch 999")
_DEVICE = "Device"
_PROGRESS_PARTS = 1000


class TrainingProgressView(QWidget):
    """Shows one :class:`RunProgress` after the other.

    Parameters
    ----------
    theme : str
        Name of napari's theme.
    is_logarithmic : bool
        Whether the loss begins on a logarithmic scale.
    """

    preview_requested = Signal()
    log_requested = Signal()

    def __init__(self, theme: str, is_logarithmic: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.curves = CurvesView(theme, is_logarithmic)
        self._headline = QLabel("No training yet")
        self._headline.setTextFormat(Qt.TextFormat.RichText)
        self._headline.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setRange(0, _PROGRESS_PARTS)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        pairs = [pair for titles in _PAIRS for pair in zip(titles, _LONGEST, strict=True)]
        self._values = {title: _value(longest) for title, longest in pairs}
        self._values[_DEVICE] = _value()
        self._name = ""
        self._validation = _faint("")
        self._validation.setWordWrap(True)
        self._log_button = QPushButton("Log…")
        self._log_button.setToolTip("Open what the training printed, or any of its devices.")
        self._log_button.setEnabled(False)
        self._log_button.clicked.connect(self.log_requested)
        self._preview_button = QPushButton("Show preview")
        self._preview_button.setToolTip(
            "Go to the slice that is predicted as the training goes on."
        )
        self._preview_button.setEnabled(False)
        self._preview_button.clicked.connect(self.preview_requested)
        self._lay_out()

    def show_progress(self, progress: RunProgress) -> None:
        """Show a run at one moment."""
        self._name = f"<b>{as_html(progress.title)}</b><br>"
        self._headline.setToolTip(plain_tooltip(progress.name))
        self.show_headline(progress.headline)
        self._bar.setValue(round(progress.fraction * _PROGRESS_PARTS))
        figures = progress.figures()
        for title, value in self._values.items():
            value.setText(figures[title])
        soft = progress.soft_dice
        tooltip = "" if soft is None else f"Of membrane pixels. Soft Dice: {soft:.4f}"
        self._values["Dice"].setToolTip(tooltip)
        self._validation.setText(progress.validation)
        self.curves.show_curves(progress.curves)
        self._log_button.setEnabled(True)
        self._preview_button.setEnabled(progress.preview is not None)

    def show_headline(self, text: str) -> None:
        """Show a plain text below the run's title, until the run reports something new."""
        self._headline.setText(f"{self._name}{as_html(text)}")

    def forget(self, text: str) -> None:
        """Show a plain text in place of a run that is gone."""
        self._name = ""
        self._headline.setToolTip("")
        self.show_headline(text)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        for row, titles in enumerate(_PAIRS):
            for column, title in enumerate(titles):
                grid.addWidget(_faint(title), row, 2 * column)
                grid.addWidget(self._values[title], row, 2 * column + 1)
                grid.setColumnStretch(2 * column + 1, 2 + column)  # steps need more room
        grid.addWidget(_faint(_DEVICE), len(_PAIRS), 0)
        grid.addWidget(self._values[_DEVICE], len(_PAIRS), 1, 1, 3)
        content = QWidget()
        rows = QVBoxLayout(content)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4)
        rows.addWidget(self._headline)
        rows.addWidget(self._bar)
        rows.addLayout(grid)
        rows.addWidget(self._validation)
        rows.addWidget(self.curves, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self._preview_button)
        buttons.addWidget(self._log_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(VerticalScrollArea(content), 1)
        layout.addLayout(buttons)


def _value(longest: str = "") -> QLabel:
    label = plain_label()
    # Otherwise every new text would make Qt lay out the whole window again.
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    label.setMinimumWidth(label.fontMetrics().horizontalAdvance(longest))
    return label


def _faint(text: str) -> QLabel:
    label = plain_label(text)
    label.setEnabled(False)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
    return label
