"""The thresholds of a model's classes, a row for each."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_unet.widgets.common.messages import plain_label
from napari_unet.widgets.predict.views import DECIMALS
from training.console import list_slices
from training.label_classes import LabelClass, LabelClasses
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD

_NAME_WIDTH = 130  # pixels, so that the slider has room


class ClassThresholdsView(QWidget):
    """A box for each class that gives it a threshold, and the slider of that."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[str, _Row] = {}
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setColumnStretch(1, 1)
        self._note = plain_label()
        self._note.setWordWrap(True)

    @property
    def thresholds(self) -> dict[str, float]:
        """The chosen ones, by the names of some of the classes."""
        return {name: row.threshold for name, row in self._rows.items() if row.is_chosen}

    def offer(self, classes: LabelClasses) -> None:
        """Offer thresholds of these classes, none of which is chosen."""
        self._layout.removeWidget(self._note)
        for row in self._rows.values():
            row.remove()
        self._rows = {}
        things = [classes.members[channel] for channel in classes.things]
        others = [member for member in classes.members if member not in things]
        for place, member in enumerate(things + others):
            row = self._rows[member.name] = _Row(member, self)
            self._layout.addWidget(row.box, place, 0)
            self._layout.addWidget(row.slider, place, 1)
            row.box.toggled.connect(self.changed)
            row.slider.valueChanged.connect(self.changed)
        self._layout.addWidget(self._note, len(self._rows), 0, 1, 2)

    def show_thresholds(self, thresholds: Mapping[str, float]) -> None:
        """Show these as the chosen ones."""
        for name, row in self._rows.items():
            row.show(thresholds.get(name))

    def show_followed(self, layer: str, edited: list[int]) -> None:
        """Say which layer follows the sliders, "" for none, and which of its slices do not."""
        if not layer:
            self._note.setText("Thresholds are those of the next prediction.")
        elif edited:
            kept = f"but for slices edited by hand: {list_slices(edited)}."
            self._note.setText(f"'{layer}' follows the thresholds, {kept}")
        else:
            self._note.setText(f"'{layer}' follows the thresholds.")


class _Row:
    """Box and slider of a class."""

    def __init__(self, member: LabelClass, parent: QWidget) -> None:
        self.box, self.slider = QCheckBox(parent), QLabeledDoubleSlider(parent)
        name = self.box.fontMetrics().elidedText(
            member.name, Qt.TextElideMode.ElideRight, _NAME_WIDTH
        )
        self.box.setText(name.replace("&", "&&"))
        swatch = QPixmap(12, 12)
        swatch.fill(QColor(member.color))
        self.box.setIcon(QIcon(swatch))
        self.box.setAccessibleName(f"Threshold of {member.name}")
        self.box.setToolTip(
            f"Give {member.name} a threshold. It takes all pixels of at least this probability, "
            "but for those where another class with a threshold is likelier. Unchecked: it takes "
            "those where it is the likeliest."
        )
        self.slider.setOrientation(Qt.Orientation.Horizontal)
        self.slider.setRange(0.01, 0.99)
        self.slider.setSingleStep(0.01)  # type: ignore[arg-type]  # it takes floats
        self.slider.setDecimals(DECIMALS)
        self.slider.setAccessibleName(f"Probability from which on a pixel is {member.name}")
        self.slider.setToolTip(f"Pixels of at least this probability are {member.name}.")
        self.box.toggled.connect(self.slider.setEnabled)
        self.show(None)

    @property
    def is_chosen(self) -> bool:
        return self.box.isChecked()

    @property
    def threshold(self) -> float:
        return round(float(self.slider.value()), DECIMALS)

    def show(self, threshold: float | None) -> None:
        with signals_blocked(self.box), signals_blocked(self.slider):
            self.box.setChecked(threshold is not None)
            self.slider.setValue(DEFAULT_THRESHOLD if threshold is None else threshold)
        self.slider.setEnabled(threshold is not None)

    def remove(self) -> None:
        for widget in (self.box, self.slider):
            widget.hide()
            widget.deleteLater()
