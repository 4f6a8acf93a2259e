"""Measures of objects as a Qt table, whose rows NumPy sorts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QWidget

from napari_unet.measurement.tables import Table

_UNITS = {"um2": "µm²", "um3": "µm³", "px2": "px²", "px3": "px³", "nm": "nm", "px": "px"}


def title_of(name: str) -> str:
    """Write the name of a column for people: its unit apart, as ``volume (µm³)``."""
    words, _, unit = name.rpartition("_")
    if unit in _UNITS:
        return f"{words.replace('_', ' ')} ({_UNITS[unit]})"
    return name.replace("_", " ")


class MeasuresModel(QAbstractTableModel):
    """A row for each object, or for each object in each slice."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = Table({"object": np.empty(0, np.int64)})
        self._names = [*self.table.columns]
        self._order = np.empty(0, np.intp)  # the table's row of each shown row
        self._sorted_by = (0, False)  # column, and whether the highest is first
        self._is_first = np.empty(0, bool)  # the table's rows that are before the others

    def show(self, table: Table) -> None:
        """Show another table, in the order of the same column."""
        self.beginResetModel()
        self.table, self._names = table, [*table.columns]
        self._is_first = np.zeros(len(table), bool)
        if self._sorted_by[0] >= len(self._names):
            self._sorted_by = (0, False)
        self._order = self._ordered()
        self.endResetModel()

    def rows_of(self, shown: NDArray[np.intp]) -> NDArray[np.intp]:
        """Give the table's rows of shown rows, both (N,) of int."""
        return self._order[shown]

    def shown_rows(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Give where some of the table's rows are shown: (N,) of int, in rising order."""
        is_wanted = np.zeros(len(self._order), bool)
        is_wanted[rows] = True
        return np.flatnonzero(is_wanted[self._order])

    def put_first(self, rows: NDArray[np.intp]) -> None:
        """Show some of the table's rows, (N,) of int, before the others, until it is sorted."""
        self.beginResetModel()
        self._is_first = np.zeros(len(self.table), bool)
        self._is_first[rows] = True
        self._order = self._ordered()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return len(self._names)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:  # noqa: N802
        is_told = role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
        if orientation != Qt.Orientation.Horizontal or not is_told:
            return None
        return title_of(self._names[section])

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a measure as text."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self.table.columns[self._names[index.column()]][self._order[index.row()]]
        return _text(value)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort all rows; those of one value keep the table's order."""
        self.beginResetModel()
        self._sorted_by = (max(column, 0), order == Qt.SortOrder.DescendingOrder)
        self._is_first = np.zeros(len(self.table), bool)
        self._order = self._ordered()
        self.endResetModel()

    def _ordered(self) -> NDArray[np.intp]:
        column, is_falling = self._sorted_by
        keys = self.table.keys[self._names[column]]
        if is_falling:
            keys = -keys if keys.dtype.kind == "f" else ~keys
        order = np.argsort(keys, kind="stable")
        is_first = self._is_first[order]
        return np.concatenate([order[is_first], order[~is_first]])


def _text(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
