"""The table of measures, in which rows are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QItemSelection, QItemSelectionModel, QSize, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_unet.measurement.tables import Table
from napari_unet.widgets.measure.model import MeasuresModel

_ROW_HEIGHT = 22  # pixels
_ROOM = 24  # beside a title, with the arrow of the sorted column
_LONGEST = 160  # of a list of neighbours
STYLE = "QTableView {font-size: 11px} QHeaderView::section {padding: 2px; font-size: 11px}"


class MeasuresTable(QTableView):
    """Scrolls sideways through all measures; rows can be chosen by hand and from elsewhere."""

    rows_chosen = Signal(object)  # the table's rows, array (N,) of intp, by a person

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._measures = MeasuresModel(self)
        self._chosen = np.empty(0, np.intp)
        self._is_choosing = False
        self.setModel(self._measures)
        self.setStyleSheet(STYLE)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setMinimumHeight(5 * _ROW_HEIGHT)
        self.setToolTip(
            "Click a row to see its object; Ctrl and Shift choose several. Click a title to sort."
        )
        rows: Any = self.verticalHeader()
        rows.hide()
        rows.setDefaultSectionSize(_ROW_HEIGHT)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)  # else each row is measured
        columns: Any = self.horizontalHeader()
        columns.setHighlightSections(False)
        columns.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self._measures.modelReset.connect(lambda: self.choose(self._chosen))
        selection: Any = self.selectionModel()
        selection.selectionChanged.connect(self._on_selection_changed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for a few rows; the table takes what room there is."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    @property
    def chosen(self) -> NDArray[np.intp]:
        """The table's rows that are chosen: (N,) of int, in the table's order."""
        return self._chosen

    def show_table(self, table: Table) -> None:
        """Show another table, with no row chosen."""
        self._chosen = np.empty(0, np.intp)
        self._measures.show(table)
        metrics = self.fontMetrics()
        for column in range(self._measures.columnCount()):
            title = str(self._measures.headerData(column, Qt.Orientation.Horizontal))
            texts = [
                str(self._measures.index(row, column).data()) for row in range(min(3, len(table)))
            ]
            widest = max(map(metrics.horizontalAdvance, texts), default=0) + _ROOM // 2
            title_width = metrics.horizontalAdvance(title) + _ROOM
            self.setColumnWidth(column, max(title_width, min(widest, _LONGEST)))

    def choose(self, rows: NDArray[np.intp]) -> None:
        """Choose some of the table's rows, (N,) of int, and show the first of them."""
        shown = self._measures.shown_rows(rows)
        chosen, last = QItemSelection(), self._measures.columnCount() - 1
        for run in np.split(shown, np.flatnonzero(np.diff(shown) > 1) + 1):
            if len(run):
                top, bottom = int(run[0]), int(run[-1])
                chosen.select(self._measures.index(top, 0), self._measures.index(bottom, last))
        selection: Any = self.selectionModel()
        self._is_choosing = True
        selection.select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if len(shown):
            first = self._measures.index(int(shown[0]), 0)
            selection.setCurrentIndex(first, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.scrollTo(first)
        self._is_choosing = False
        self._chosen = np.sort(rows)

    def _on_selection_changed(self, *_: object) -> None:
        if self._is_choosing:
            return
        ranges = [*self.selectionModel().selection()]  # type: ignore[union-attr]
        shown = [np.arange(one.top(), one.bottom() + 1) for one in ranges]
        joined = np.unique(np.concatenate(shown)) if shown else np.empty(0, np.intp)
        self._chosen = np.sort(self._measures.rows_of(joined))
        self.rows_chosen.emit(self._chosen)
