"""Live curves of a training: loss above, validation Dice below."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QSizePolicy, QVBoxLayout, QWidget

from napari_unet.runs.run_progress import Curves
from napari_unet.widgets.common.plots import (
    DICE_COLOR,
    LOSS_COLOR,
    ClassLines,
    apply_theme,
    color,
)

_AXIS_WIDTH = 66


class CurvesView(QWidget):
    """Loss, raw and smoothed, and validation Dice over the steps, the best one marked.

    A line marks the Dice from which a run learned on.

    Parameters
    ----------
    theme : str
        Name of napari's theme.
    is_logarithmic : bool
        Whether the loss begins on a logarithmic scale.
    """

    scale_changed = Signal(bool)

    def __init__(self, theme: str, is_logarithmic: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves: Curves | None = None
        self._loss_plot = _plot("loss", "Loss of every training step, and its trailing mean.")
        self._dice_plot = _plot(
            "Dice",
            "Of membrane pixels, or of each class and their mean, over the held-out slices; the "
            "model kept is starred.",
        )
        self._dice_plot.setXLink(self._loss_plot)
        self._dice_plot.setLabel("bottom", "step")
        self._dice_plot.getPlotItem().setContentsMargins(0, 0, 0, 4)  # else its p is cut
        # At the right, at the top: off most curves.
        legend = self._loss_plot.addLegend(labelTextSize="8pt", colCount=2)
        legend.anchor((1, 0), (1, 0), offset=(-4, 2))
        self._raw = self._loss_plot.plot(name="raw")
        self._smoothed = self._loss_plot.plot(
            pen=pyqtgraph.mkPen(LOSS_COLOR, width=2), name="smoothed"
        )
        self._class_dice = ClassLines(self._dice_plot)
        look = {"symbol": "o", "symbolSize": 4, "symbolPen": None, "symbolBrush": DICE_COLOR}
        self._dice = self._dice_plot.plot(pen=DICE_COLOR, name="Dice", **look)
        self._best = pyqtgraph.ScatterPlotItem(symbol="star", size=15)
        self._dice_plot.addItem(self._best)
        self._began = pyqtgraph.InfiniteLine(
            angle=0, label="began at {value:.3f}", labelOpts={"position": 0.25}
        )
        self._began.hide()
        self._dice_plot.addItem(self._began)
        self._logarithmic = QCheckBox("Logarithmic loss")
        self._logarithmic.setToolTip("Show the loss on a logarithmic scale.")
        self._logarithmic.setChecked(is_logarithmic)
        self._logarithmic.toggled.connect(self._on_scale_toggled)
        self._loss_plot.setLogMode(y=is_logarithmic)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._loss_plot, 1)
        layout.addWidget(self._class_dice.legend)
        layout.addWidget(self._dice_plot, 1)
        layout.addWidget(self._logarithmic)
        self.set_theme(theme)

    def set_theme(self, theme: str) -> None:
        """Take the colours of one of napari's themes."""
        for plot in (self._loss_plot, self._dice_plot):
            apply_theme(plot, theme)
        self._loss_plot.getPlotItem().legend.setLabelTextColor(color(theme, "text"))
        self._class_dice.set_text_color(color(theme, "text"))
        self._color_mean()
        self._raw.setPen(color(theme, "highlight"))
        self._best.setBrush(color(theme, "text"))
        self._best.setPen(color(theme, "background"))
        text = color(theme, "text")
        self._began.setPen(pyqtgraph.mkPen(text, style=Qt.PenStyle.DashLine))
        self._began.label.setColor(text)

    def show_curves(self, curves: Curves) -> None:
        """Draw a run's curves."""
        self._raw.setData(curves.steps, curves.loss)
        self._smoothed.setData(curves.steps, curves.smoothed_loss)
        self._class_dice.show((one.name, one.color, one.steps, one.dice) for one in curves.classes)
        self._color_mean()
        self._dice.setData(curves.evaluated_steps, curves.dice)
        self._began.setVisible(curves.initial_dice is not None)
        self._began.setValue(curves.initial_dice or 0.0)
        steps = np.concatenate([curves.steps, curves.evaluated_steps])
        if len(steps):  # by itself the axis shows the losses alone, which begin after step 0
            self._loss_plot.setXRange(steps.min(), max(steps.max(), steps.min() + 1))
        best = slice(0, 0) if curves.best is None else slice(curves.best, curves.best + 1)
        self._best.setData(curves.evaluated_steps[best], curves.dice[best])

    def _color_mean(self) -> None:
        self._dice.setPen(self._class_dice.mean_color)
        self._dice.setSymbolBrush(self._class_dice.mean_color)

    def _on_scale_toggled(self, is_logarithmic: bool) -> None:
        self._loss_plot.setLogMode(y=is_logarithmic)
        self.scale_changed.emit(is_logarithmic)


class _ValueAxis(pyqtgraph.AxisItem):  # type: ignore[misc]
    """An axis that writes 1, 2 and 5 of each decade on a logarithmic scale, not all nine."""

    def logTickStrings(self, values: Any, scale: Any, spacing: Any) -> list[str]:  # noqa: N802
        numbers = [10.0**value for value in values]
        return [f"{number:g}" if f"{number:.0e}"[0] in "125" else "" for number in numbers]


def _plot(label: str, tooltip: str) -> Any:
    plot = pyqtgraph.PlotWidget(axisItems={"left": _ValueAxis("left")})
    plot.setToolTip(tooltip)
    # pyqtgraph asks for 480 pixels a plot, which would push the dock's buttons out of sight.
    plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
    plot.setMinimumHeight(110)
    plot.setMenuEnabled(False)
    plot.hideButtons()  # they cover a label
    plot.setMouseEnabled(x=False, y=False)  # the wheel scrolls the dock
    plot.setLabel("left", label)
    plot.getAxis("left").setWidth(_AXIS_WIDTH)
    for name in ("left", "bottom"):
        plot.getAxis(name).enableAutoSIPrefix(False)
    plot.showGrid(y=True, alpha=0.2)
    # Long runs have more steps than pixels.
    plot.setDownsampling(auto=True, mode="peak")
    plot.setClipToView(True)
    return plot
