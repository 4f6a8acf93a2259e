"""pyqtgraph plots in the colours of napari's theme."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyqtgraph
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QLabel

from napari_unet.layers.colors import PREDICTION_COLOR, TRUTH_COLOR
from napari_unet.text import as_html

LOSS_COLOR = TRUTH_COLOR
DICE_COLOR = PREDICTION_COLOR
ClassLine = tuple[str, str, Any, Any]
"""A class's name and colour, and where its line goes: x and y, arrays (N,) of float."""


class ClassLines:
    """A line for each class in its colour, and a legend to be laid out beside the plot.

    Parameters
    ----------
    plot : PlotWidget

    Attributes
    ----------
    legend : QLabel
        Names the classes in as many lines as they need; hidden where there are none.
    """

    def __init__(self, plot: pyqtgraph.PlotWidget) -> None:
        self._plot = plot
        self._lines: dict[tuple[str, str], Any] = {}
        self._text_color = DICE_COLOR
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.hide()

    def set_text_color(self, color: str) -> None:
        """Draw the mean in the colour of the theme's texts."""
        self._text_color = color

    @property
    def mean_color(self) -> str:
        """The colour of their mean, which no class has; without lines that of the one Dice."""
        return self._text_color if self._lines else DICE_COLOR

    def show(self, lines: Iterable[ClassLine]) -> None:
        """Show these lines, and no others."""
        found = {(name, color): points for name, color, *points in lines}
        if found.keys() != self._lines.keys():
            self._replace([*found])
        for key, points in found.items():
            self._lines[key].setData(*points)

    def _replace(self, keys: list[tuple[str, str]]) -> None:
        for line in self._lines.values():
            self._plot.removeItem(line)
        self._lines = {}
        for name, color in keys:
            line = pyqtgraph.PlotDataItem(pen=pyqtgraph.mkPen(color, width=1))
            self._plot.addItem(line)
            self._lines[name, color] = line
        told = [
            f'<span style="color: {color}">■</span>&nbsp;{as_html(name)}' for name, color in keys
        ]
        self.legend.setText("&nbsp; ".join(told))
        self.legend.setVisible(bool(keys))


def color(theme: str, role: str) -> str:
    """Return a colour of a napari theme, such as its "text" or "background", as #rrggbb."""
    return str(getattr(get_theme(theme), role).as_hex())


def apply_theme(plot: pyqtgraph.PlotWidget, theme: str) -> None:
    """Give a plot the theme's background, and its axes the theme's text colour."""
    plot.setBackground(color(theme, "background"))
    for name in ("left", "bottom"):
        axis = plot.getPlotItem().getAxis(name)
        axis.setPen(color(theme, "secondary"))
        axis.setTextPen(color(theme, "text"))
