"""The tables of slices, which share a narrow dock with much else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget


@dataclass(frozen=True)
class Column:
    """A column's title, and what a person learns of it under the mouse."""

    title: str
    help: str = ""


class SlicesModel(QAbstractTableModel):
    """Columns of numbers, a row for each slice.

    Parameters
    ----------
    columns : sequence of Column
        From left to right.
    """

    def __init__(self, columns: Sequence[Column], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns = columns

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:  # noqa: N802
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section].title
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._columns[section].help or None
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return where a number stands in its cell; the number itself is a subclass's."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None


def choose_rows(table: QTableView, row_height: int, visible_rows: int) -> None:
    """Choose whole rows, one at a time; columns share the width, and rows have no titles.

    Parameters
    ----------
    row_height : int
        In pixels.
    visible_rows : int
        Height of the table at least.
    """
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    rows: Any = table.verticalHeader()
    rows.hide()
    rows.setDefaultSectionSize(row_height)
    columns: Any = table.horizontalHeader()
    columns.setHighlightSections(False)  # bold titles reach into the arrow of the sorted column
    columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    table.setMinimumHeight(visible_rows * row_height)
