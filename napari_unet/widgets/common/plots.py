"""pyqtgraph plots in the colours of napari's theme."""

from __future__ import annotations

import pyqtgraph
from napari.utils.theme import get_theme

from napari_unet.layers.colors import PREDICTION_COLOR, TRUTH_COLOR

LOSS_COLOR = TRUTH_COLOR
DICE_COLOR = PREDICTION_COLOR


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
