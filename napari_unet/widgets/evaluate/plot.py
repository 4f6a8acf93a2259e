"""Plot of the Dice over the slices."""

from __future__ import annotations

from typing import Any

import pyqtgraph
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet.evaluation.comparison import Comparison
from napari_unet.evaluation.slice_sets import TRAINING, set_of
from napari_unet.widgets.common.plots import DICE_COLOR, ClassLine, ClassLines, apply_theme, color
from training.label_classes import DICE_OF


class DicePlot(pyqtgraph.PlotWidget):  # type: ignore[misc]
    """A dot a slice; a click asks for the slice, a line marks the one that is shown.

    Dots of slices that the model was trained on are hollow. A dashed line is the mean of those
    held out, or of all.

    Parameters
    ----------
    theme : str
        Name of napari's theme.

    Attributes
    ----------
    legend : QLabel
        The classes' colours, to be laid out beside the plot.
    """

    slice_requested = Signal(int)

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setFixedHeight(140)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Dice of every slice; click to see one. Hollow: the model was trained on it. "
            "Dashed: the mean, of the slices held out if they are known. Thin: each class; the "
            "dots are their mean."
        )
        self.hideButtons()
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.setLabel("bottom", "slice")
        self.setLabel("left", "Dice")
        self.getAxis("left").setWidth(58)
        self.getPlotItem().setContentsMargins(0, 8, 4, 0)  # else the topmost number is cut
        for name in ("left", "bottom"):
            self.getAxis(name).enableAutoSIPrefix(False)
        self._classes = ClassLines(self)
        self._curve = self.plot(pen=DICE_COLOR, symbol="o", symbolSize=6, symbolPen=DICE_COLOR)
        self._mean = pyqtgraph.InfiniteLine(angle=0)
        self._shown = pyqtgraph.InfiniteLine(angle=90)
        self.addItem(self._mean)
        self.addItem(self._shown)
        self.legend = self._classes.legend
        self._length = 0
        self.scene().sigMouseClicked.connect(self._on_clicked)
        self.set_theme(theme)

    def set_theme(self, theme: str) -> None:
        """Take the colours of one of napari's themes."""
        apply_theme(self, theme)
        self._classes.set_text_color(color(theme, "text"))
        self._mean.setPen(pyqtgraph.mkPen(color(theme, "secondary"), style=_DASHES))
        self._shown.setPen(pyqtgraph.mkPen(color(theme, "text"), width=1))

    def show_comparison(self, comparison: Comparison | None) -> None:
        """Draw what is computed so far."""
        self._length = len(comparison) if comparison else 0
        computed = comparison.by_slice() if comparison else {}
        dice = [figures["dice"] for figures in computed.values()]
        lines = self._class_lines(comparison)
        self._classes.show(lines)
        shown = [*dice, *(value for *_, of_class in lines for value in of_class)]
        trained = comparison.trained if comparison else None
        is_hollow = [set_of(index, trained) == TRAINING for index in computed]
        mean_color = self._classes.mean_color
        brushes = [pyqtgraph.mkBrush(None if hollow else mean_color) for hollow in is_hollow]
        self._curve.setPen(mean_color)
        self._curve.setSymbolPen(mean_color)
        self._curve.setData(list(computed), dice, symbolBrush=brushes)
        means = list(comparison.means().values()) if comparison else []
        self._mean.setVisible(bool(dice))
        if dice:
            self._mean.setValue(means[0]["dice"])
            self.setYRange(max(0.0, min(shown) - 0.05), min(1.0, max(shown) + 0.05))
        self.setXRange(-0.5, max(self._length - 0.5, 0.5), padding=0.01)

    def _class_lines(self, comparison: Comparison | None) -> list[ClassLine]:
        if comparison is None:
            return []
        members = [comparison.classes.members[place] for place in comparison.classes.things]
        computed = comparison.by_slice()
        return [
            (
                member.name,
                member.color,
                list(computed),
                [figures[DICE_OF + member.name] for figures in computed.values()],
            )
            for member in members
        ]

    def mark(self, index: int) -> None:
        """Mark the slice that is shown."""
        self._shown.setValue(index)

    def _on_clicked(self, event: Any) -> None:
        position = self.getPlotItem().vb.mapSceneToView(event.scenePos())
        index = round(position.x())
        if 0 <= index < self._length:
            self.slice_requested.emit(index)


_DASHES = pyqtgraph.QtCore.Qt.PenStyle.DashLine
