"""Table of every slice's figures, sortable."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import QTableView, QWidget

from napari_unet.evaluation.comparison import FIGURES, Comparison
from napari_unet.widgets.common.tables import Column, SlicesModel, choose_rows

COLUMNS = (
    Column("Slice", "Place in the stack"),
    Column("Dice", "Twice the intersection over the sum of areas, of the membrane pixels"),
    Column("IoU", "Intersection over union of the membrane pixels"),
    Column("Prec.", "Precision: share of the predicted membrane that is membrane"),
    Column("Recall", "Recall: share of the true membrane that was predicted"),
    Column(
        "Rand",
        "V_rand, the Rand score of the neurons between membranes: 1 where none is split or merged",
    ),
    Column(
        "Info",
        "V_info, the information score of the neurons: large ones count for less than in V_rand",
    ),
)
PENDING = "…"
ROW_HEIGHT = 22
# Seven columns in a narrow dock.
STYLE = "QTableView {font-size: 11px} QTableView::item {padding: 0; margin: 0} "
STYLE += "QHeaderView::section {padding: 2px 0; font-size: 11px}"


class FiguresModel(SlicesModel):
    """A row a slice, of a comparison that changes now and then."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self._comparison: Comparison | None = None

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show another comparison; None: nothing is compared."""
        self.beginResetModel()
        self._comparison = comparison
        self.endResetModel()

    def update_figures(self, first: int, last: int) -> None:
        """Show the new figures of these slices."""
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        is_child = parent is not None and parent.isValid()
        return 0 if is_child or self._comparison is None else len(self._comparison)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a figure as text for display; as a number in the user role, which sorts rows."""
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.UserRole):
            return super().data(index, role)
        if self._comparison is None:
            return None
        if index.column() == 0:
            return index.row()
        figures = self._comparison[index.row()]
        name = FIGURES[index.column() - 1]
        if figures is None or name not in figures:
            missing = "" if figures is None else PENDING
            return missing if role == Qt.ItemDataRole.DisplayRole else -1.0
        value = figures[name]
        return f"{value:.3f}" if role == Qt.ItemDataRole.DisplayRole else value


class FiguresTable(QTableView):
    """Shows the figures; choosing a row asks for its slice, and a slice's row can be marked."""

    slice_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures = FiguresModel(self)
        self._is_selecting = False
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._figures)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        choose_rows(self, ROW_HEIGHT, visible_rows=6)
        self.setStyleSheet(STYLE)
        self.setToolTip("Click a row to see its slice; click a title to sort by it.")
        selection: Any = self.selectionModel()
        selection.currentRowChanged.connect(self._on_row_changed)

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show another comparison; None: nothing is compared."""
        self._figures.set_comparison(comparison)

    def update_figures(self, first: int, last: int) -> None:
        """Show the new figures of these slices."""
        self._figures.update_figures(first, last)

    def select(self, index: int) -> None:
        """Mark the row of a slice without asking for the slice."""
        row = self._sorted.mapFromSource(self._figures.index(index, 0))
        self._is_selecting = True
        self.selectRow(row.row())
        self._is_selecting = False
        self.scrollTo(row)

    def _on_row_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        if current.isValid() and not self._is_selecting:
            self.slice_requested.emit(self._sorted.mapToSource(current).row())


def summary_table(comparison: Comparison) -> str:
    """Write mean and standard deviation of the figures as rich text."""
    rows = [["", *(column.title for column in COLUMNS[1:])]]
    for title, figures in (("mean", comparison.mean()), ("± sd", comparison.spread())):
        cells = [f"{figures[name]:.3f}" if name in figures else PENDING for name in FIGURES]
        rows.append([title, *cells])
    cell_style = "align=right style='white-space: nowrap; font-size: 11px'"
    lines = ("".join(f"<td {cell_style}>{cell}</td>" for cell in row) for row in rows)
    return "<table cellpadding=2>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
