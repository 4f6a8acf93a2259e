"""How the tables of slices look, which share a narrow dock with much else."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView


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
    columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    table.setMinimumHeight(visible_rows * row_height)
