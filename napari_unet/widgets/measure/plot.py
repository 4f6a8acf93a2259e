"""The histogram of a measure, or one measure over another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet.layers.colors import PREDICTION_COLOR, TRUTH_COLOR
from napari_unet.widgets.common.plots import apply_theme

HEIGHT = 130  # pixels
_MOST_BINS = 60
_MOST_POINTS = 20_000  # that are drawn; more take the window's time, and hide each other
_REACH = 12  # pixels from a click to a point


class MeasuresPlot(pyqtgraph.PlotWidget):  # type: ignore[misc]
    """Bars or points; a click asks for the rows of a bar, or for that of the nearest point."""

    rows_requested = Signal(object)  # array (N,) of intp

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hideButtons()
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.getAxis("left").setWidth(58)
        self.getPlotItem().setContentsMargins(0, 8, 8, 0)
        for name in ("left", "bottom"):
            self.getAxis(name).enableAutoSIPrefix(False)
        self._x = self._y = np.empty(0)
        self._edges: NDArray[np.float64] | None = None  # of the bars; None: there are points
        self._bars = pyqtgraph.BarGraphItem(x0=[], x1=[], height=[], brush=PREDICTION_COLOR)
        self._chosen_bars = pyqtgraph.BarGraphItem(x0=[], x1=[], height=[], brush=TRUTH_COLOR)
        self._points = pyqtgraph.ScatterPlotItem(size=4, pen=None, brush=PREDICTION_COLOR)
        self._chosen_points = pyqtgraph.ScatterPlotItem(size=8, pen=None, brush=TRUTH_COLOR)
        for item in (self._bars, self._chosen_bars, self._points, self._chosen_points):
            self.addItem(item)
        self.scene().sigMouseClicked.connect(self._on_clicked)
        self.set_theme(theme)

    def set_theme(self, theme: str) -> None:
        """Take the colours of one of napari's themes."""
        apply_theme(self, theme)

    def show_histogram(self, values: NDArray[Any], title: str) -> None:
        """Show how many rows have which value, (N,) of any real dtype."""
        self._x, self._y = np.asarray(values, np.float64), np.empty(0)
        edges = np.histogram_bin_edges(self._x, "auto") if len(self._x) else np.array([0.0, 1.0])
        if len(edges) > _MOST_BINS + 1:
            edges = np.linspace(edges[0], edges[-1], _MOST_BINS + 1)
        self._edges = edges
        self._points.setData([], [])
        self._set_bars(self._bars, self._x)
        self._name_axes(title, "count")
        self.mark(np.empty(0, np.intp))

    def show_scatter(self, x: NDArray[Any], y: NDArray[Any], x_title: str, y_title: str) -> None:
        """Show a point for each row, at one value over another: (N,) of any real dtype."""
        self._x, self._y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self._edges = None
        self._set_bars(self._bars, np.empty(0))
        step = max(1, -(-len(self._x) // _MOST_POINTS))
        self._points.setData(self._x[::step], self._y[::step])
        self._name_axes(x_title, y_title)
        self.mark(np.empty(0, np.intp))

    def mark(self, rows: NDArray[np.intp]) -> None:
        """Mark the bars' parts, or the points, of these rows: (N,) of int."""
        is_histogram = self._edges is not None
        self._set_bars(self._chosen_bars, self._x[rows] if is_histogram else np.empty(0))
        points = rows[:0] if is_histogram else rows[:_MOST_POINTS]
        self._chosen_points.setData(self._x[points], self._y[points] if len(points) else [])
        self.autoRange(padding=0.04)

    def _set_bars(self, bars: Any, values: NDArray[np.float64]) -> None:
        if self._edges is None or not len(values):
            bars.setOpts(x0=[], x1=[], height=[], y0=[])
            return
        counts, edges = np.histogram(values, self._edges)
        bars.setOpts(x0=edges[:-1], x1=edges[1:], y0=np.zeros(len(counts)), height=counts)

    def _name_axes(self, x: str, y: str) -> None:
        self.setLabel("bottom", x)
        # What is drawn is chosen above, and its side has no room for more.
        self.setLabel("left", y.rpartition("(")[2].rstrip(")") if y.endswith(")") else y)

    def _on_clicked(self, event: Any) -> None:
        place = self.getPlotItem().vb.mapSceneToView(event.scenePos())
        if self._edges is None:
            rows = self._nearest(place.x(), place.y())
        else:
            rows = self._in_bar(place.x())
        if len(rows):
            self.rows_requested.emit(rows)

    def _in_bar(self, x: float) -> NDArray[np.intp]:
        edges: Any = self._edges
        bar = int(np.searchsorted(edges, x, side="right")) - 1
        if not 0 <= bar < len(edges) - 1:
            return np.empty(0, np.intp)
        is_last = bar == len(edges) - 2
        below = self._x <= edges[bar + 1] if is_last else self._x < edges[bar + 1]
        return np.flatnonzero((self._x >= edges[bar]) & below)

    def _nearest(self, x: float, y: float) -> NDArray[np.intp]:
        width, height = self.getPlotItem().vb.viewPixelSize()
        distances = np.hypot((self._x - x) / width, (self._y - y) / height)
        row = int(np.argmin(distances)) if len(distances) else 0
        is_near = len(distances) and distances[row] <= _REACH
        return np.array([row] if is_near else [], np.intp)
