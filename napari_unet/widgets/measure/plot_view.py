"""The plot of measures, with the choice of what is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_unet.measurement.tables import Table
from napari_unet.widgets.measure.model import title_of
from napari_unet.widgets.measure.plot import MeasuresPlot

_COUNT = "count"  # of a histogram
_FIRST = ("volume_um3", "area_um2", "volume_voxels", "area_px")  # the first that there is


class PlotView(QWidget):
    """Two choices of a column, and the histogram or the points of these."""

    rows_requested = Signal(object)  # array (N,) of intp

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: Table | None = None
        self._chosen = np.empty(0, np.intp)
        self.plot = MeasuresPlot(theme)
        self.plot.setToolTip("Click a bar or a point to choose its rows, and to see its object.")
        self._x, self._y = QComboBox(), QComboBox()
        self._x.setAccessibleName("Measure along x")
        self._y.setAccessibleName("Measure along y")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for column, (name, choice) in enumerate((("x", self._x), ("y", self._y))):
            layout.addWidget(QLabel(name), 0, 2 * column)
            layout.addWidget(choice, 0, 2 * column + 1)
            layout.setColumnStretch(2 * column + 1, 1)
            choice.setMinimumContentsLength(5)
            choice.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            choice.activated.connect(self._draw)
        layout.addWidget(self.plot, 1, 0, 1, 4)
        self.plot.rows_requested.connect(self.rows_requested)

    def show_table(self, table: Table) -> None:
        """Draw another table; the columns that were chosen stay where it has them."""
        self._table, self._chosen = table, np.empty(0, np.intp)
        names = [name for name, column in table.columns.items() if _is_measure(column)]
        first = next(name for name in _FIRST if name in names)
        _offer(self._x, names, first)
        _offer(self._y, [_COUNT, *names], _COUNT)
        self._draw()

    def mark(self, rows: NDArray[np.intp]) -> None:
        """Mark what is drawn of these rows: (N,) of int."""
        self._chosen = rows
        self.plot.mark(rows)

    def _draw(self, _: int = 0) -> None:
        if self._table is None:
            return
        x, y = self._x.currentData(), self._y.currentData()
        columns = self._table.columns
        if y == _COUNT:
            self.plot.show_histogram(columns[x], title_of(x))
        else:
            self.plot.show_scatter(columns[x], columns[y], title_of(x), title_of(y))
        self.plot.mark(self._chosen)


def _is_measure(column: object) -> bool:
    return isinstance(column, np.ndarray) and column.dtype != bool


def _offer(choice: QComboBox, names: list[str], first: str) -> None:
    former = choice.currentData()
    with signals_blocked(choice):
        choice.clear()
        for name in names:
            choice.addItem(title_of(name), name)
        choice.setCurrentIndex(names.index(former if former in names else first))
